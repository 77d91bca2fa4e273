"""The nouns every other room speaks in, and the errors they share."""

from ._errors import InputError as InputError, did_you_mean as did_you_mean
from ._extras import require as require
