"""Plate designs of Europe and its neighbours."""

from __future__ import annotations

from typing import Final

from training.synthesis.designs import (
    BLACK,
    BLUE,
    EU_BLUE,
    EUROPEAN_FACES,
    GREEN,
    HEAVY_FACES,
    RED,
    WHITE,
    YELLOW,
    Band,
    Color,
    Design,
    plain,
)

_SIZE: Final = (520.0, 110.0)
_UK_LETTERS: Final = "ABCDEFGHJKLMNOPRSTUVWXYZ"
_DUTCH_LETTERS: Final = "BDFGHJKLNPRSTVXZ"
_CYRILLIC_LOOKALIKES: Final = "ABEKMHOPCTYX"


def _wide(
    region: str,
    sign: str,
    *serials: str,
    paper: Color = WHITE,
    ink: Color = BLACK,
    faces: tuple[str, ...] = EUROPEAN_FACES,
    letters: str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    stars: bool = True,
    second: bool = False,
    size: tuple[float, float] = _SIZE,
    share: float = 1.0,
) -> Design:
    """A long one-line plate with the blue band at its left (none without a sign), perhaps a `second` at its right."""
    bands = (Band("left", 42, EU_BLUE, sign, stars),) if sign else ()
    if second:
        bands = (*bands, Band("right", 42, EU_BLUE, ""))
    return Design(
        region, size, plain(paper), ink, serials, (42.0, 76.0), faces, bands, border=ink, letters=letters, share=share
    )


def _square(region: str, sign: str, *serials: str) -> Design:
    """A two-line plate of cars with little room and of motorcycles."""
    bands = (Band("left", 40, EU_BLUE, sign, True),) if sign else ()
    return Design(region, (300, 200), plain(WHITE), BLACK, serials, (40.0, 75.0), bands=bands, border=BLACK, share=0.25)


UNION: Final = (
    _wide("at", "A", "{W,G,L,S,K,I,GU,MD,BN,WU,LL,SB}*#####@", "{W,G,L,GU,MD,BN}*###@@", "{W,S}*#@@@"),
    _wide("be", "B", "#-@@@-###", "@@@-###", ink=(150, 24, 40)),
    _wide("bg", "BG", "{C,CA,CB,PB,B,A,E,X} #### @@", letters=_CYRILLIC_LOOKALIKES),
    _wide("cy", "CY", "@@@ ###"),
    _wide("cz", "CZ", "#@# ####", "#@@ ####", "#{A,B,C,S,T,U,Z,L,K,H,E,P,M,J}#*####"),
    _wide(
        "de",
        "D",
        "{B,M,K,F,S,D,H,N}*@@ ####",
        "{HH,KA,MA,LB,DA,WI,OF,AC,BN,MS,DO}*@@ ###",
        "{ESB,MTK,FFB,HSK,LDS}*@@ ##",
        "{B,M,K}*@ ####",
        "{HB,BO,DU,MZ}*@@ ####",
        share=2,
    ),
    _square("de", "D", "{B,M,K,HH}*|@@ ###", "{ESB,MTK}*|@ ###"),
    _wide("dk", "DK", "@@ ## ###", size=(504, 120)),
    _wide("ee", "EST", "### @@@"),
    _wide("es", "E", "#### @@@", letters="BCDFGHJKLMNPRSTVWXYZ", share=2),
    _wide("es", "", "{M,B,V,SE,MA,A,Z}-####-@@", "{M,B}-######"),
    _wide("fi", "FIN", "@@@-###"),
    _wide("fr", "F", "@@-###-@@", letters="ABCDEFGHJKLMNPQRSTVWXYZ", second=True, share=2),
    _wide("fr", "", "### @@ ##", "#### @@ ##", "### @@@ ##", paper=YELLOW),
    _square("fr", "F", "@@-###|@@"),
    _wide("gr", "GR", "@@@-####", letters="ABEZHIKMNOPTYX"),
    _wide("hr", "HR", "{ZG,ST,RI,OS,PU,ZD,VZ,KA}*###-@@", "{ZG,ST,RI,OS}*####-@@", "{ZG,RI,SK}*###-@"),
    _wide("hu", "H", "@@@-###", "@@ @@-###"),
    _wide(
        "ie",
        "IRL",
        "{10,11,12,131,132,141,151,161,171,172,181,191,201}-{D,C,G,KE,WX,L,MH,LH}-#####",
        "{04,05,06,07,08}-{D,C,KY}-####",
    ),
    _wide("it", "I", "@@ ###@@", "@@ ### @@", letters="ABCDEFGHJKLMNPRSTVWXYZ", second=True, share=1.5),
    _wide("lt", "LT", "@@@ ###", "@@@*###"),
    _wide("lu", "L", "@@ ####", "## ###", paper=YELLOW),
    _wide("lv", "LV", "@@-####", "@@-###"),
    _wide("mt", "M", "@@@ ###"),
    _wide(
        "nl",
        "NL",
        "##-@@-##",
        "##-@@@-#",
        "@@-###-@",
        "#-@@@-##",
        "@-###-@@",
        "@@-@@-##",
        paper=YELLOW,
        letters=_DUTCH_LETTERS,
        share=2,
    ),
    _wide("pl", "PL", "{WA,KR,PO,GD,DW,SK,WX,LU} #####", "{WPR,KRA,PZ,SB,WGM} ####@", "{WI,KR} ###@@", share=1.5),
    _wide("pt", "P", "##-@@-##", "##-##-@@", "@@-##-##", "@@-##-@@"),
    _wide("ro", "RO", "B*### @@@", "B ## @@@", "{CJ,TM,IF,BV,IS,CT,DJ,PH} ## @@@", share=1.5),
    _wide("se", "S", "@@@ ###", "@@@ ##@", "@@@*###"),
    _wide("si", "SLO", "{LJ,MB,CE,KR,KP,NM}*##-#@@", "{LJ,MB,KR}*@#-###", "{LJ,MB}*@@-###", ink=GREEN),
    _wide("sk", "SK", "{BA,BL,KE,NR,TT,ZA,PO}*###@@"),
)

OTHERS: Final = (
    _wide(
        "gb", "GB", "@@{02,04,06,10,12,15,18,51,53,57,60,64,67} @@@", faces=HEAVY_FACES, letters=_UK_LETTERS, share=1.2
    ),
    _wide("gb", "", "@@## @@@", "@### @@@", "@@@ ###@", faces=HEAVY_FACES, letters=_UK_LETTERS, share=1.5),
    _wide("gb", "GB", "@@## @@@", paper=YELLOW, faces=HEAVY_FACES, letters=_UK_LETTERS, share=1.2),
    _wide(
        "gb",
        "",
        "@@## @@@",
        "@### @@@",
        "@# @@@",
        "@@@ #",
        paper=YELLOW,
        faces=HEAVY_FACES,
        letters=_UK_LETTERS,
        share=1.5,
    ),
    Design(
        "gb",
        (279, 203),
        plain(YELLOW),
        BLACK,
        ("@@##|@@@", "@###|@@@"),
        (48, 76),
        HEAVY_FACES,
        letters=_UK_LETTERS,
        share=0.5,
    ),
    Design(
        "ch",
        (300, 80),
        plain(WHITE),
        BLACK,
        ("*{ZH,BE,VD,AG,SG,GE,LU,TI,BS} ######*", "*{ZH,GE,VD}*#####*", "{ZH,BE,AG} ######"),
        (30, 58),
        border=BLACK,
    ),
    Design(
        "ch",
        (300, 160),
        plain(WHITE),
        BLACK,
        ("*{ZH,BE,VD,AG,GE}*|######", "*{TI,SG,LU}*|### ###"),
        (34, 62),
        border=BLACK,
        share=0.5,
    ),
    _wide("no", "N", "@@ #####", share=1.5),
    _wide("is", "IS", "@@*@##", "@@ ###", ink=BLUE, stars=False),
    Design("li", (520, 110), plain(BLACK), WHITE, ("FL*#####", "FL #####"), (42, 76)),
    _wide("mc", "", "@###", "####", ink=BLUE, size=(300, 110)),
    _wide("sm", "", "*@####", "@####", ink=BLUE),
    _wide("ad", "", "*@####", size=(440, 110)),
    _wide("rs", "SRB", "{BG,NS,NI,KG,SU}*###-@@", "{BG,NS}*####-@@"),
    _wide("ba", "BIH", "@##-@-###", letters="AEJKMOT"),
    _wide("me", "MNE", "{PG,NK,BD,HN} @@###", "{PG,BD}*@@###"),
    _wide("mk", "NMK", "{SK,BT,OH,TE} ####@@", "SK ###-@@"),
    _wide("al", "AL", "@@ ###*@@", "@@ ### @@"),
    *(
        Design(
            "ua",
            size,
            plain(WHITE),
            BLACK,
            serials,
            (38, height),
            bands=(Band("left", band, EU_BLUE, "UA", ink=YELLOW),),
            border=BLACK,
            letters=_CYRILLIC_LOOKALIKES + "I",
            share=share,
        )
        for size, height, band, share, serials in (
            ((520.0, 112.0), 76, 42, 1.5, ("@@ #### @@", "@@####@@", "@@*####*@@")),
            ((300.0, 150.0), 60, 34, 0.8, ("@@ ##|## @@", "@@|####@@", "@@ ####|@@", "@@##|##@@")),
            ((280.0, 202.0), 76, 40, 0.8, ("@@ ##|##@@", "@@|####@@", "@@####|@@")),
        )
    ),
    _wide("by", "BY", "#### @@-#", letters=_CYRILLIC_LOOKALIKES, stars=False),
    _wide("md", "MD", "@@@ ###", "C @@ ###", stars=False),
    Design(
        "ru",
        (520, 112),
        plain(WHITE),
        BLACK,
        ("@###@@ ##", "@###@@ 77", "@### @@ 1##"),
        (38, 70),
        border=BLACK,
        letters=_CYRILLIC_LOOKALIKES,
    ),
    _wide(
        "tr",
        "TR",
        "{34,06,35,16,07,01} @@ ####",
        "{34,06,35} @@@ ##",
        "34 @@@ ###",
        "## @ ####",
        stars=False,
        share=1.5,
    ),
    _wide("ge", "GE", "@@-###-@@", "@@@-###", stars=False),
    _wide("am", "AM", "## @@ ###", stars=False),
    _wide("az", "AZ", "##-@@-###", stars=False),
    _wide("kz", "KZ", "### @@@ ##", stars=False),
    _wide("il", "IL", "##-###-##", "###-##-###", paper=YELLOW, stars=False, share=1.5),
    _wide("fr", "F", "W-###-@@", ink=RED, share=0.2),
    _wide("je", "GBJ", "J #####", faces=HEAVY_FACES),
)
