"""M17: GIMP starts without a word about the plug-in, with translations and without."""

import gettext
import os
import pathlib

from gimptest import NAMES, Gimp, case

LOCALE = pathlib.Path(os.environ["GIMP3_DIRECTORY"]) / "plug-ins/palimpsest/locale"


@case
def registered():
    """All procedures are there"""
    for name in NAMES:
        assert Gimp.get_pdb().procedure_exists(name), name


@case
def translated():
    """Help is in the user's language where there is a catalogue for it, else in English"""
    blurb = Gimp.get_pdb().lookup_procedure(NAMES[0]).get_blurb()
    english = "Paint the selected part anew from a description"
    language = os.environ["LANGUAGE"]
    if (LOCALE / language).exists():
        translated = gettext.translation("palimpsest", LOCALE, [language]).gettext(english)
        assert translated != english, "the catalogue lacks it"
        assert blurb == translated, blurb
    else:
        assert blurb == english, blurb
