"""The style sheet of the report: calm, light or dark, for screens and for paper.

Lines and points use the colours of Okabe and Ito, which readers with any form of
colour blindness can tell apart; errors use steps of viridis, dark where the error is
large (on a dark page: bright). Fields of one sign use more of the same steps (s0..s9),
fields of both signs go from blue through grey at zero to orange (d0..d10).
"""

from ._svg import FILLS, PAINTS, STROKES

_LIGHT = {
    "page": "#fbfbf9",
    "card": "#ffffff",
    "line": "#e3e3de",
    "text": "#1d1f21",
    "soft": "#63676b",
    "good": "#00694d",
    "bad": "#a63c00",
    "ink": "#2b2e31",
    "faint": "#c3c5c4",
    "grid": "#ecece8",
    "c0": "#0072b2",
    "c1": "#d55e00",
    "c2": "#009e73",
    "c3": "#cc79a7",
    "c4": "#56b4e9",
    "c5": "#e69f00",
    "c6": "#8a8d00",
    "e0": "#d8e7b4",
    "e1": "#8fd16f",
    "e2": "#3aae83",
    "e3": "#2a7a8e",
    "e4": "#424184",
    "e5": "#3b0a50",
    "s0": "#e9efc0",
    "s1": "#c3e19b",
    "s2": "#9ad27e",
    "s3": "#69bf84",
    "s4": "#3fa88a",
    "s5": "#2f8b8d",
    "s6": "#346f8d",
    "s7": "#3c558b",
    "s8": "#403370",
    "s9": "#3b0a50",
    "d0": "#053d66",
    "d1": "#0d659f",
    "d2": "#4a95c9",
    "d3": "#8cc0e3",
    "d4": "#c8dfec",
    "d5": "#efeee9",
    "d6": "#f7d6b9",
    "d7": "#f3af78",
    "d8": "#e07f3a",
    "d9": "#b75007",
    "d10": "#722e00",
}
_DARK = {
    "page": "#15171a",
    "card": "#1c1f23",
    "line": "#32363b",
    "text": "#e6e6e3",
    "soft": "#a0a5aa",
    "good": "#4cc9a2",
    "bad": "#f2905a",
    "ink": "#dcdcd8",
    "faint": "#6d737a",
    "grid": "#2b2f34",
    "c0": "#4fb0ea",
    "c1": "#f0803c",
    "c2": "#2fc79b",
    "c3": "#dd93bb",
    "c4": "#9bd3f5",
    "c5": "#f0b73e",
    "c6": "#c9cc4a",
    "e0": "#413a63",
    "e1": "#3f5d8c",
    "e2": "#2a8a8c",
    "e3": "#3bb27d",
    "e4": "#9fd93c",
    "e5": "#fde725",
    "s0": "#3b3358",
    "s1": "#3f4673",
    "s2": "#3f5a8b",
    "s3": "#36748d",
    "s4": "#2e8c8b",
    "s5": "#33a283",
    "s6": "#5ab870",
    "s7": "#8ace4b",
    "s8": "#c4dc37",
    "s9": "#fde725",
    "d0": "#bfe6ff",
    "d1": "#77c1f2",
    "d2": "#4295cc",
    "d3": "#2a6d99",
    "d4": "#2b4c65",
    "d5": "#32363a",
    "d6": "#61422e",
    "d7": "#985526",
    "d8": "#cc7332",
    "d9": "#f4a065",
    "d10": "#ffdcbc",
}

_RULES = """
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;color-scheme:light dark}
body{margin:0;background:var(--page);color:var(--text);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,
"Liberation Sans",sans-serif;font-variant-numeric:tabular-nums lining-nums}
main{max-width:1120px;margin:0 auto;padding:40px 28px 64px}
h1{font-size:30px;line-height:1.2;margin:0;font-weight:650;letter-spacing:-.012em}
h2{font-size:19px;margin:52px 0 4px;font-weight:650;letter-spacing:-.005em}
h1,h2,p,dd,dt,td,th,li,figcaption,summary{overflow-wrap:anywhere}
p{margin:6px 0;max-width:46em}
.over{font-size:13px;color:var(--soft);margin:0 0 6px;letter-spacing:.02em}
.verdict{font-size:19px;line-height:1.45;margin:12px 0 4px;max-width:40em}
.soft{color:var(--soft);font-size:14px;max-width:62em}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(220px,1fr));
gap:14px;margin:24px 0 20px}
.tile,.card{background:var(--card);border:1px solid var(--line);border-radius:8px}
.tile{padding:14px 18px 15px}
.tile h3{margin:0;font-size:14px;font-weight:600;color:var(--soft)}
.tile .big{font-size:32px;line-height:1.25;font-weight:600;letter-spacing:-.02em;
margin:2px 0 0}
.tile .small-print{font-size:13.5px;color:var(--soft);line-height:1.4;margin:0}
.tile .gain{line-height:1.4;margin:8px 0 0;padding-top:8px;
border-top:1px solid var(--line);
font-size:14px;color:var(--text)}
.good{color:var(--good)}.bad{color:var(--bad)}.gain b,td b{font-weight:650}
.scroll{overflow-x:auto;background:
linear-gradient(90deg,var(--card) 40%,transparent) 0 0/44px 100% no-repeat local,
linear-gradient(270deg,var(--card) 40%,transparent) 100% 0/44px 100% no-repeat local,
linear-gradient(90deg,var(--faint),transparent) 0 0/16px 100% no-repeat scroll,
linear-gradient(270deg,var(--faint),transparent) 100% 0/16px 100% no-repeat scroll,
var(--card)}
table{border-collapse:collapse;width:100%;font-size:14.5px}
.card.scroll{padding:4px 18px 10px}
th,td{padding:4px 0 4px 20px;text-align:right;white-space:nowrap;font-weight:400}
thead th{color:var(--soft);font-size:13px;padding-top:9px;padding-bottom:6px;
border-bottom:1px solid var(--line);vertical-align:bottom}
th:first-child,td:first-child{padding-left:0;text-align:left}
tbody th{font-weight:600}
.long{white-space:normal;min-width:11em}
tbody tr+tr>*{border-top:1px solid var(--grid)}
tbody.group th[colspan]{font-size:13px;font-weight:400;color:var(--soft);
padding-top:12px;padding-bottom:2px;text-align:left}
tbody.group th[colspan],tbody.group tr:nth-child(2)>*{border-top:0}
td.unit{text-align:left;padding-left:7px;color:var(--soft)}
td.bar{width:24%;min-width:150px;padding-right:0}
.bar svg{display:block;width:100%;height:14px;overflow:visible}
.bar line{stroke:var(--faint);stroke-width:2}
.bar .there{stroke:var(--faint);stroke-width:9}
.bar .here{stroke:var(--c0);stroke-width:9}
.bar line.there,.bar line.here{stroke-linecap:round}
.grid{display:grid;gap:12px;margin-top:14px;align-items:start}
.small{grid-template-columns:repeat(auto-fill,minmax(164px,1fr))}
.large{grid-template-columns:repeat(auto-fill,minmax(240px,1fr))}
.wide{grid-template-columns:repeat(auto-fill,minmax(310px,1fr))}
.half{grid-template-columns:repeat(auto-fill,minmax(420px,1fr))}
.whole{grid-template-columns:1fr}
figure{margin:0;padding:9px 11px 7px;min-width:0;break-inside:avoid}
figcaption{font-size:14px;line-height:1.35;display:flex;flex-wrap:wrap;gap:0 8px;
align-items:baseline}
figcaption b{font-weight:600}
figcaption span,.ax{color:var(--soft);font-size:12.5px}
.ax{line-height:1.3;overflow-wrap:anywhere}
.ax.y{margin-top:3px}.ax.x{text-align:right}
figure svg{display:block;width:100%;height:auto;overflow:visible}
svg path{fill:none;stroke-linecap:round;stroke-linejoin:round}
svg text{font-size:9.5px;fill:var(--soft);font-variant-numeric:tabular-nums}

.middle{text-anchor:middle}.end{text-anchor:end}
.legend{display:flex;flex-wrap:wrap;gap:3px 18px;font-size:13.5px;color:var(--soft);
margin:8px 0 0;padding:0;list-style:none;max-width:none}
.legend li{display:flex;align-items:center;gap:7px;min-width:0}
.legend i{flex:none;width:10px;height:10px;border-radius:5px}
.legend i.dash{height:3px;width:18px;border-radius:2px}
.legend i.thin{height:2px;width:18px;border-radius:1px}
.legend.steps{gap:3px 12px}
.scale{display:flex;align-items:center;margin:5px 0 3px;font-size:12.5px;
color:var(--soft)}
.scale i{flex:1 1 10px;max-width:18px;height:9px}
.scale span{white-space:nowrap}
.scale span:first-child{margin-right:7px}.scale span:last-child{margin-left:7px}
pre{margin:14px 0 0;padding:14px 18px;font:13.5px/1.55 ui-monospace,SFMono-Regular,
Menlo,Consolas,"Liberation Mono",monospace;white-space:pre-wrap;overflow-wrap:anywhere}
.warnings{margin:14px 0 0;padding:12px 18px 12px 36px;border-left:4px solid var(--c5)}
.warnings li+li{margin-top:6px}
.flag{display:inline-block;margin:6px 0 0;color:var(--bad);font-size:15px}
details{margin-top:10px;padding:0 18px}
summary{cursor:pointer;padding:10px 0;font-weight:600;font-size:15px}
dl{display:grid;grid-template-columns:minmax(8em,auto) 1fr;gap:5px 22px;margin:0 0 14px;
font-size:14px}
dt{color:var(--soft)}dd{margin:0;min-width:0}
.n{unicode-bidi:isolate}
a:focus-visible,summary:focus-visible{outline:2px solid var(--c0);outline-offset:2px}
@media(max-width:640px){main{padding:26px 16px 48px}h1{font-size:25px}
.verdict{font-size:17px}h2{margin-top:42px}
.tiles{grid-template-columns:repeat(auto-fit,minmax(136px,1fr));gap:8px;
margin:18px 0 16px}
.tile{padding:11px 12px 12px}.tile .big{font-size:25px}
.small{grid-template-columns:repeat(2,minmax(0,1fr));gap:8px}
.small figure{padding:8px 7px 5px}
.large,.wide,.half{grid-template-columns:minmax(0,1fr)}
.whole svg text{font-size:14px}.half svg text{font-size:12px}
.card.scroll{padding:2px 12px 8px}table{font-size:13px}th,td{padding-left:9px}
.bar,.compared .r2{display:none}
table tr>:first-child:not([colspan]){position:sticky;left:0;background:var(--card);
padding-right:6px}td.unit{padding-left:5px}
dl{grid-template-columns:1fr;gap:1px}dd{margin-bottom:7px}}
@media print{body{background:#fff;font-size:12px}main{max-width:none;padding:0}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
.tile,.card,tr{break-inside:avoid}h2{break-after:avoid;margin-top:28px}
.small{grid-template-columns:repeat(4,1fr)}
.large,.wide,.half{grid-template-columns:1fr 1fr}
details::details-content{content-visibility:visible;block-size:auto}}
"""


def _variables(colours: dict[str, str]) -> str:
    return "".join(f"--{name}:{value};" for name, value in colours.items())


def style_sheet() -> str:
    """Returns the style sheet, with a rule for every paint of the figures."""
    strokes = "".join(f".k-{p}{{stroke:var(--{p})}}" for p in STROKES)
    areas = "".join(f"svg .f-{p}{{fill:var(--{p})}}" for p in FILLS)
    swatches = "".join(f".b-{p}{{background:var(--{p})}}" for p in PAINTS)
    dark = (
        f"@media screen and (prefers-color-scheme:dark){{:root{{{_variables(_DARK)}}}}}"
    )
    return f":root{{{_variables(_LIGHT)}}}{dark}{_RULES}{strokes}{areas}{swatches}"
