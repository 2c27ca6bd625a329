"""Plate designs of North and South America."""

from __future__ import annotations

from typing import Final

from training.synthesis.designs import (
    AMERICAN_FACES,
    BLACK,
    BLUE,
    BRIGHT_BLUE,
    CREAM,
    EU_BLUE,
    GREEN,
    GREY,
    HEAVY_FACES,
    MAROON,
    ORANGE,
    PALE_GREEN,
    PALE_YELLOW,
    RED,
    SKY,
    WHITE,
    YELLOW,
    Band,
    Caption,
    Color,
    Design,
    Place,
    plain,
)

_SIZE: Final = (305.0, 152.0)
_VANITY: Final = (
    "@@@@@@@",
    "@@@@@@",
    "@@@@@",
    "@@@@",
    "@@@@#",
    "#@@@@@",
    "@@ @@@@",
    "@@@ @@@",
    "@@@@##",
    "@@@@@@#",
    "@ @@@@@",
)


def _state(
    region: str,
    top: str,
    bottom: str,
    paper: tuple[Color, Color],
    ink: Color,
    *serials: str,
    caption: Color | None = None,
    script: bool = False,
    letters: str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    share: float = 1.0,
) -> Design:
    """A plate of 12 x 6 inches with the state's name above and a motto below."""
    lines: list[tuple[str, Place, float, bool]] = [
        (top, "top", 21.0 if script else 17.0, script),
        (bottom, "bottom", 12.0, False),
    ]
    captions = tuple(
        Caption(text, place, height, caption or ink, styled) for text, place, height, styled in lines if text
    )
    return Design(
        region,
        _SIZE,
        paper,
        ink,
        serials,
        (31.0, 70.0),
        AMERICAN_FACES,
        captions=captions,
        letters=letters,
        stickers=True,
        share=share,
    )


_WHITE = plain(WHITE)

STATES: Final = (
    _state("us-al", "ALABAMA", "HEART OF DIXIE", (SKY, WHITE), BLUE, "#@#####", "##@####", "#@@####", "##@@###"),
    _state("us-al", "Sweet Home", "ALABAMA", (SKY, PALE_GREEN), BLUE, "#@@####", "##@@###", script=True),
    _state("us-ak", "ALASKA", "THE LAST FRONTIER", (YELLOW, YELLOW), BLUE, "@@@ ###"),
    _state(
        "us-az",
        "ARIZONA",
        "GRAND CANYON STATE",
        (SKY, (214, 196, 220)),
        GREEN,
        "@@@####",
        "###@@@",
        "@@@#@@",
        "@#@#@@",
        caption=WHITE,
    ),
    _state("us-az", "ARIZONA", "", ((150, 200, 205), (222, 180, 190)), (20, 60, 60), "@@@####", "@@@#@@"),
    _state("us-ar", "ARKANSAS", "THE NATURAL STATE", (WHITE, (190, 214, 236)), BLUE, "###@@@", "@@@ ##@", "### @@@"),
    _state(
        "us-ca",
        "California",
        "",
        _WHITE,
        BLUE,
        "#@@@###",
        "#@@@###",
        "#@#####",
        "@#####@",
        "#####@#",
        caption=RED,
        script=True,
        share=3,
    ),
    _state("us-ca", "California", "dmv.ca.gov", _WHITE, BLUE, "#@@@###", caption=RED, script=True, share=2),
    _state("us-ca", "CALIFORNIA", "", _WHITE, BLUE, "#@@@###", caption=RED),
    _state("us-ca", "CALIFORNIA", "", plain(BLACK), YELLOW, "#@@@###", "@@@ ###"),
    _state("us-ca", "CALIFORNIA", "", plain(BLUE), YELLOW, "###@@@", "#@@@###"),
    _state("us-co", "COLORADO", "", (WHITE, GREEN), WHITE, "@@@ ###", "###-@@@", "@@@-@##", caption=GREEN),
    _state("us-co", "COLORADO", "", (WHITE, PALE_GREEN), GREEN, "@@@ ###", "###-@@@", "@@@-@##"),
    _state(
        "us-ct",
        "Connecticut",
        "CONSTITUTION STATE",
        ((150, 186, 226), WHITE),
        BLUE,
        "###-@@@",
        "@@.#####",
        "#@@@@#",
        "@@-#####",
    ),
    _state("us-dc", "WASHINGTON, DC", "TAXATION WITHOUT REPRESENTATION", _WHITE, BLUE, "@@ ####", caption=RED),
    _state("us-de", "DELAWARE", "THE FIRST STATE", plain((18, 40, 96)), (226, 190, 90), "######", "#####", "PC ######"),
    _state(
        "us-fl",
        "MYFLORIDA.COM",
        "SUNSHINE STATE",
        _WHITE,
        (20, 92, 60),
        "@## #@@",
        "### @@@",
        "@@@ @##",
        "@@@*@##",
        "###*@@@",
        share=2,
    ),
    _state("us-fl", "FLORIDA", "IN GOD WE TRUST", _WHITE, (20, 92, 60), "@@@ @##", "#@@ @##", "@@@*@##"),
    _state("us-ga", "GEORGIA", "", (WHITE, (246, 224, 198)), BLUE, "@@@####", "###*@@@", "#### @@@"),
    _state("us-ga", "GEORGIA", "PEACH STATE", (WHITE, WHITE), BLUE, "@@@####", "###@@@"),
    _state("us-hi", "HAWAII", "ALOHA STATE", ((246, 220, 226), (196, 216, 240)), BLACK, "@@@ ###", caption=RED),
    _state(
        "us-id",
        "SCENIC IDAHO",
        "FAMOUS POTATOES",
        ((236, 120, 90), (120, 170, 210)),
        BLUE,
        "#@ @####",
        "#@ ###@@",
        "@ ######",
        caption=BLUE,
    ),
    _state(
        "us-il",
        "Illinois",
        "LAND OF LINCOLN",
        ((200, 222, 240), WHITE),
        MAROON,
        "@## ####",
        "@@ #####",
        "### ####",
        "#######",
        caption=BLUE,
        script=True,
    ),
    _state("us-il", "ILLINOIS", "LAND OF LINCOLN", _WHITE, RED, "@## ####", "### ####", "@@ #####", caption=BLUE),
    _state("us-in", "INDIANA", "", ((226, 236, 214), (250, 240, 200)), BLUE, "###@", "###@@", "###@@@", "##@####"),
    _state("us-in", "INDIANA", "IN GOD WE TRUST", (BLUE, WHITE), BLUE, "###@@@", "@@@ ###", caption=WHITE),
    _state("us-ia", "IOWA", "POLK", ((120, 170, 220), WHITE), BLUE, "@@@ ###", "###@@@", "### @@@"),
    _state("us-ks", "KANSAS", "", ((190, 212, 236), (200, 216, 236)), BLUE, "###*@@@", "### @@@", "####@@@"),
    _state("us-ky", "KENTUCKY", "BLUEGRASS STATE", (WHITE, (176, 200, 230)), BLUE, "###*@@@", "@@@ ###", "@#@ ###"),
    _state(
        "us-la",
        "Louisiana",
        "SPORTSMAN'S PARADISE",
        (WHITE, (250, 240, 230)),
        BLUE,
        "@@@ ###",
        "### @@@",
        "###*@@@",
        caption=RED,
        script=True,
    ),
    _state("us-me", "MAINE", "VACATIONLAND", (WHITE, PALE_GREEN), BLUE, "####@@", "#### @@", "###@@@"),
    _state("us-md", "Maryland", "", _WHITE, BLACK, "#@@####", "@@@ ###", "#@@ @##", "#@@@##"),
    _state("us-md", "MARYLAND", "WAR OF 1812", _WHITE, BLACK, "#@@####", caption=BLUE),
    _state(
        "us-ma",
        "Massachusetts",
        "THE SPIRIT OF AMERICA",
        _WHITE,
        RED,
        "###@@#",
        "### @@#",
        "#@@@##",
        "### @@@",
        "#### @@",
        "##@@##",
        caption=BLUE,
    ),
    _state(
        "us-mi",
        "MICHIGAN",
        "michigan.org",
        ((30, 90, 180), WHITE),
        BLUE,
        "@@@ ####",
        "@@@ @##",
        "### @@#",
        caption=WHITE,
    ),
    _state("us-mi", "MICHIGAN", "PURE MICHIGAN", _WHITE, BLUE, "@@@ ####", "@@@ @##"),
    _state(
        "us-mn", "Minnesota", "10,000 LAKES", ((190, 220, 240), (200, 226, 210)), BLUE, "###-@@@", "@@@-###", "### @@@"
    ),
    _state(
        "us-ms",
        "Mississippi",
        "",
        ((230, 236, 240), (244, 232, 200)),
        BLUE,
        "@@@ ####",
        "@@@ ###",
        "### @@@",
        script=True,
    ),
    _state(
        "us-mo",
        "MISSOURI",
        "SHOW-ME STATE",
        (WHITE, (190, 206, 232)),
        BLUE,
        "@@# @#@",
        "### @@@",
        "@@@ ###",
        "@@# *@#@",
    ),
    _state(
        "us-mt", "MONTANA", "TREASURE STATE", plain((30, 60, 130)), WHITE, "##-####@", "#-#####@", "@@@###", "######@"
    ),
    _state("us-ne", "NEBRASKA", "", (WHITE, (236, 226, 196)), BLACK, "@@@ ###", "##-@###", "#-@####"),
    _state(
        "us-nv",
        "NEVADA",
        "THE SILVER STATE",
        ((160, 196, 226), (236, 220, 190)),
        BLUE,
        "###-@@@",
        "##@-###",
        "### @@@",
        "@@@ ###",
    ),
    _state("us-nh", "NEW HAMPSHIRE", "LIVE FREE OR DIE", (WHITE, PALE_GREEN), GREEN, "### ####", "#######", "######"),
    _state(
        "us-nj",
        "NEW JERSEY",
        "GARDEN STATE",
        (PALE_YELLOW, (250, 240, 190)),
        BLACK,
        "@##-@@@",
        "@@@-##@",
        "@## @@@",
        "@## @@@",
        share=2,
    ),
    _state("us-nm", "NEW MEXICO", "LAND OF ENCHANTMENT", plain((246, 200, 40)), RED, "###-@@@", "@@@-###", "###@@@"),
    _state("us-nm", "NEW MEXICO", "LAND OF ENCHANTMENT", plain((40, 150, 160)), YELLOW, "###@@@", "@@@@##"),
    _state("us-ny", "NEW YORK", "EMPIRE STATE", plain((232, 168, 40)), BLUE, "@@@-####", "@@@ ####", share=2),
    _state("us-ny", "NEW YORK", "EXCELSIOR", _WHITE, BLUE, "@@@-####", "@@@ ####", share=2),
    _state("us-ny", "NEW YORK", "", _WHITE, BLUE, "@@@*####", "@@@ ####", "@##-#@@"),
    _state("us-ny", "NEW YORK", "T&LC", plain((232, 168, 40)), BLUE, "T######C", "T*######C", "#@##@", share=0.5),
    _state(
        "us-nc",
        "NORTH CAROLINA",
        "FIRST IN FLIGHT",
        (WHITE, (214, 226, 236)),
        BLUE,
        "@@@-####",
        "@@@ ####",
        caption=RED,
    ),
    _state(
        "us-nd", "North Dakota", "PEACE GARDEN STATE", ((190, 214, 236), (236, 210, 150)), BLACK, "### @@@", "@@@ ###"
    ),
    _state(
        "us-oh", "OHIO", "BIRTHPLACE OF AVIATION", (WHITE, (220, 226, 240)), BLUE, "@@@ ####", "@@@####", caption=RED
    ),
    _state("us-oh", "OHIO", "", ((190, 40, 50), WHITE), BLUE, "@@@ ####", caption=WHITE),
    _state(
        "us-ok",
        "OKLAHOMA",
        "NATIVE AMERICA",
        (WHITE, (226, 232, 240)),
        BLUE,
        "###-@@@",
        "@@@-###",
        "@@@ ###",
        "### @@@",
    ),
    _state("us-or", "Oregon", "", ((226, 214, 230), (170, 200, 214)), BLUE, "### @@@", "@@@ ###", "###*@@@"),
    _state(
        "us-pa",
        "PENNSYLVANIA",
        "visitPA.com",
        ((36, 72, 150), (246, 206, 60)),
        BLUE,
        "@@@*####",
        "@@@-####",
        "@@@ ####",
        caption=WHITE,
        share=2,
    ),
    _state("us-pa", "PENNSYLVANIA", "KEYSTONE STATE", plain(BLUE), YELLOW, "@@@-####"),
    _state("us-ri", "Rhode Island", "OCEAN STATE", (WHITE, (206, 222, 240)), BLUE, "### ###", "@@ ###", "######"),
    _state(
        "us-sc",
        "SOUTH CAROLINA",
        "SMILING FACES. BEAUTIFUL PLACES.",
        (WHITE, (206, 222, 240)),
        BLUE,
        "@@@ ###",
        "### @@@",
        "#### @@",
    ),
    _state(
        "us-sd",
        "SOUTH DAKOTA",
        "GREAT FACES. GREAT PLACES.",
        ((190, 214, 236), CREAM),
        BLUE,
        "#@# ###",
        "##@ ###",
        "#@@ ###",
        caption=RED,
    ),
    _state(
        "us-tn",
        "TENNESSEE",
        "THE VOLUNTEER STATE",
        (WHITE, PALE_GREEN),
        BLUE,
        "@##-##@",
        "###-@@@",
        "@@@-###",
        "###*@@@",
    ),
    _state("us-tn", "TENNESSEE", "IN GOD WE TRUST", plain((20, 44, 96)), WHITE, "@@@ ####", "@@ ####"),
    _state(
        "us-tx", "TEXAS", "THE LONE STAR STATE", _WHITE, BLACK, "@@@*####", "@@#*@###", "@@@-####", "##@*@@#", share=3
    ),
    _state("us-tx", "TEXAS", "", (SKY, (236, 214, 190)), BLUE, "###*@@@", "@##*@@@", "### @@@"),
    _state("us-ut", "UTAH", "LIFE ELEVATED", ((200, 220, 240), WHITE), BLUE, "@## #@@", "### @@@", "#@#@@", "@##*#@@"),
    _state("us-ut", "UTAH", "LIFE ELEVATED", ((220, 120, 60), (246, 220, 180)), BLACK, "@## #@@", "#@# @@"),
    _state("us-vt", "VERMONT", "GREEN MOUNTAIN STATE", plain((14, 104, 62)), WHITE, "@@@ ###", "###@###", "###@@"),
    _state("us-va", "VIRGINIA", "", _WHITE, BLUE, "@@@-####", "@@@ ####", share=2),
    _state("us-va", "VIRGINIA", "VIRGINIA IS FOR LOVERS", _WHITE, BLUE, "@@@-####", "@@ #### @"),
    _state(
        "us-wa",
        "WASHINGTON",
        "EVERGREEN STATE",
        (WHITE, (200, 216, 236)),
        BLUE,
        "###-@@@",
        "@@@####",
        "### @@@",
        caption=RED,
        share=2,
    ),
    _state(
        "us-wv",
        "WEST VIRGINIA",
        "Wild, Wonderful",
        (BLUE, WHITE),
        BLUE,
        "#@@ ###",
        "##@ ###",
        "@@@ ###",
        caption=YELLOW,
    ),
    _state(
        "us-wi",
        "WISCONSIN",
        "AMERICA'S DAIRYLAND",
        (WHITE, (206, 226, 236)),
        BLACK,
        "###-@@@",
        "@@@-####",
        "### @@@",
        caption=RED,
    ),
    _state(
        "us-wy", "WYOMING", "", ((170, 200, 230), (226, 190, 120)), BLACK, "##*#####", "#*#####", "##*####@", "#* ####"
    ),
)

VANITY: Final = tuple(
    Design(
        design.region,
        design.size,
        design.paper,
        design.ink,
        _VANITY,
        (29.0, 70.0),
        design.faces,
        captions=design.captions,
        stickers=True,
        share=design.share * 0.35,
    )
    for design in STATES
)

_STACKED: Final = (
    "[@@]####",
    "####[@@]",
    "[@@] #####",
    "#####[@@]",
    "#[@@]####",
    "#[@@]####",
    "*[@@]####",
    "*####[@@]",
    "*#####[@@]",
    "[@@]@@@@",
    "@@@@[@@]",
    "*####[@@@]",
    "[@@@] ####",
    "##[@@] ###",
    "[@@]###@@",
    "[@@] ## @@",
    "@##[@#]##",
    "[@#]####",
    "*@@@@[@@]",
    "[@@]###*@",
)
STACKED: Final = tuple(
    Design(
        design.region,
        design.size,
        design.paper,
        design.ink,
        _STACKED,
        (30.0, 70.0),
        design.faces,
        captions=design.captions,
        stickers=True,
        share=design.share,
    )
    for design in STATES
)
"""Plates with a pair of small letters, most of them special ones: every state has some."""

PICTURED: Final = tuple(
    Design(
        design.region,
        design.size,
        design.paper,
        design.ink,
        ("*#####", "*####@", "*@####", "*####", "*@@@@", "*@@@##", "*#####*", "@@*###", "##*##*", "*@@*###"),
        (30.0, 70.0),
        design.faces,
        captions=design.captions,
        stickers=True,
        share=design.share,
    )
    for design in STATES
)
"""Plates with an emblem beside the serial."""

PROVINCES: Final = (
    _state("ca-ab", "Alberta", "WILD ROSE COUNTRY", _WHITE, RED, "@@@-####", "@@@ ###", script=True),
    _state("ca-bc", "BRITISH COLUMBIA", "BEAUTIFUL", _WHITE, BLUE, "@@# ##@", "###*@@@", "@@@ ###"),
    _state("ca-mb", "MANITOBA", "FRIENDLY", (SKY, WHITE), BLUE, "@@@ ###"),
    _state("ca-nb", "NEW BRUNSWICK", "NOUVEAU", _WHITE, RED, "@@@ ###"),
    _state("ca-nl", "NEWFOUNDLAND & LABRADOR", "", _WHITE, BLUE, "@@@ ###"),
    _state("ca-ns", "NOVA SCOTIA", "CANADA'S OCEAN PLAYGROUND", _WHITE, BLUE, "@@@ ###", "@## ###"),
    _state("ca-nt", "NORTHWEST TERRITORIES", "SPECTACULAR", (SKY, WHITE), BLUE, "### ###"),
    _state("ca-on", "ONTARIO", "YOURS TO DISCOVER", _WHITE, BLUE, "@@@@*###", "@@@*###", "@@@@ ###", share=4),
    _state("ca-pe", "PRINCE EDWARD ISLAND", "BIRTHPLACE OF CONFEDERATION", _WHITE, GREEN, "## ###", "### @@"),
    _state("ca-qc", "Québec", "Je me souviens", _WHITE, BLUE, "@## @@@", "### @@@", "@@@ ###", share=3),
    _state("ca-sk", "Saskatchewan", "LAND OF LIVING SKIES", _WHITE, GREEN, "### @@@"),
    _state("ca-yt", "YUKON", "THE KLONDIKE", _WHITE, BLUE, "@@@ ##"),
)

_MERCOSUL_SIZE: Final = (400.0, 130.0)
_WITHOUT_VOWELS: Final = "BCDFGHJKLPRSTVWXYZ"


def _mercosul(region: str, name: str, *serials: str, ink: Color = BLACK, share: float = 1.0) -> Design:
    """The common plate of the Mercosur: white, black ink, a blue strip with the country's name above."""
    bands = (Band("top", 30, EU_BLUE, name),)
    return Design(
        region, _MERCOSUL_SIZE, plain(WHITE), ink, serials, (38.0, 65.0), bands=bands, border=BLACK, share=share
    )


def _two_lines(region: str, name: str, *serials: str) -> Design:
    """The same for motorcycles."""
    bands = (Band("top", 30, EU_BLUE, name),)
    return Design(region, (200, 170), plain(WHITE), BLACK, serials, (30.0, 53.0), bands=bands, border=BLACK, share=0.4)


_BRAZILIAN_TOWNS: Final = (
    "SP - SAO PAULO",
    "RJ - RIO DE JANEIRO",
    "MG - BELO HORIZONTE",
    "PR - CURITIBA",
    "RS - PORTO ALEGRE",
    "BA - SALVADOR",
    "SC - JOINVILLE",
    "GO - GOIANIA",
)

BRAZIL: Final = (
    *(
        Design(
            "br",
            _MERCOSUL_SIZE,
            plain(paper),
            ink,
            ("@@@-####", "@@@*####"),
            (40.0, 63.0),
            HEAVY_FACES,
            captions=(Caption(town, "top", 17, ink),),
            border=ink,
            share=share / len(_BRAZILIAN_TOWNS),
        )
        for paper, ink, share in ((GREY, BLACK, 2.4), (RED, WHITE, 0.5), (WHITE, RED, 0.1))
        for town in _BRAZILIAN_TOWNS
    ),
    Design(
        "br",
        (187, 136),
        plain(GREY),
        BLACK,
        ("@@@|####",),
        (27.0, 42.0),
        HEAVY_FACES,
        captions=(Caption("SP - CAMPINAS", "top", 13, BLACK),),
        border=BLACK,
        share=0.5,
    ),
    _mercosul("br", "BRASIL", "@@@#@##", share=2.5),
    _mercosul("br", "BRASIL", "@@@#@##", ink=RED, share=0.4),
    _two_lines("br", "BRASIL", "@@@|#@##"),
)

_OLD_ARGENTINE: Final = tuple(
    Design(
        "ar",
        (294, 129),
        plain(BLACK),
        WHITE,
        ("@@@ ###",),
        (34.0, 66.0),
        HEAVY_FACES,
        border=WHITE,
        captions=(caption,),
        share=1.2,
    )
    for caption in (Caption("REPUBLICA ARGENTINA", "bottom", 12, WHITE), Caption("ARGENTINA", "top", 12, WHITE))
)

SOUTH: Final = (
    *BRAZIL,
    *_OLD_ARGENTINE,
    _mercosul("ar", "REPUBLICA ARGENTINA", "@@ ### @@", share=2.5),
    _two_lines("ar", "REPUBLICA ARGENTINA", "@###|@@@"),
    _mercosul("uy", "URUGUAY", "@@@ ####"),
    Design(
        "uy", (355, 150), plain(WHITE), BLUE, ("@@@ ####",), (36, 75), captions=(Caption("URUGUAY", "top", 18, BLUE),)
    ),
    _mercosul("py", "PARAGUAY", "@@@@ ###", "@@@ ###"),
    _mercosul("bo", "BOLIVIA", "####@@@", "### @@@"),
    Design(
        "cl",
        (360, 130),
        plain(WHITE),
        BLACK,
        ("@@*@@.##", "@@ @@ ##", "@@ ####"),
        (40, 75),
        letters=_WITHOUT_VOWELS,
        captions=(Caption("CHILE", "bottom", 14, BLACK),),
        border=BLACK,
    ),
    Design(
        "co",
        (330, 160),
        plain(YELLOW),
        BLACK,
        ("@@@ ###", "@@@*###"),
        (36, 75),
        HEAVY_FACES,
        captions=(Caption("BOGOTA D.C.", "bottom", 18, BLACK),),
        border=BLACK,
    ),
    Design(
        "co",
        (330, 160),
        plain(WHITE),
        BLACK,
        ("@@@ ###",),
        (36, 75),
        HEAVY_FACES,
        captions=(Caption("MEDELLIN", "bottom", 18, BLACK),),
        border=BLACK,
        share=0.5,
    ),
    Design(
        "pe",
        (350, 150),
        plain(WHITE),
        BLACK,
        ("@@@-###", "@#@-###"),
        (38, 72),
        captions=(Caption("PERU", "top", 20, BLACK),),
        border=BLACK,
    ),
    Design(
        "ec",
        (404, 154),
        plain(WHITE),
        BLACK,
        ("@@@-####", "@@@-###"),
        (40, 80),
        captions=(Caption("ECUADOR", "top", 24, BLACK),),
    ),
    Design(
        "ve",
        (304, 154),
        plain(WHITE),
        BLUE,
        ("@@###@@", "@@@##@"),
        (34, 70),
        captions=(
            Caption("REPUBLICA BOLIVARIANA DE VENEZUELA", "top", 12, BLUE),
            Caption("DISTRITO CAPITAL", "bottom", 14, BLUE),
        ),
    ),
)

CENTRAL: Final = (
    *(
        Design(
            "mx",
            (300, 150),
            (top, bottom),
            ink,
            ("@@@-##-##", "###-@@@", "@@-#####", "@##-@@@", "@@@-###-@"),
            (27, 62),
            AMERICAN_FACES,
            captions=(Caption(state, "top", 19, ink), Caption("MEXICO", "bottom", 12, ink)),
            stickers=True,
        )
        for state, top, bottom, ink in (
            ("CDMX", WHITE, (240, 210, 226), BLACK),
            ("JALISCO", WHITE, SKY, BLACK),
            ("NUEVO LEON", WHITE, CREAM, BLACK),
            ("EDO. MEX.", WHITE, PALE_GREEN, BLACK),
            ("DISTRITO FEDERAL", WHITE, WHITE, GREEN),
            ("BAJA CALIFORNIA", WHITE, ORANGE, BLACK),
            ("PUEBLA", WHITE, (220, 226, 240), BLACK),
            ("GUANAJUATO", WHITE, SKY, BLUE),
        )
    ),
    Design(
        "cr",
        (305, 152),
        plain(WHITE),
        BLUE,
        ("@@@-###", "######"),
        (34, 72),
        AMERICAN_FACES,
        captions=(Caption("COSTA RICA", "top", 20, BLUE), Caption("CENTROAMERICA", "bottom", 14, BLUE)),
        letters=_WITHOUT_VOWELS,
    ),
    Design(
        "pa",
        (305, 152),
        (WHITE, SKY),
        BLACK,
        ("@@####", "######"),
        (34, 72),
        AMERICAN_FACES,
        captions=(Caption("PANAMA", "top", 20, RED),),
        stickers=True,
    ),
    Design(
        "gt",
        (305, 152),
        (SKY, WHITE),
        BLACK,
        ("P ###@@@", "P-###@@@"),
        (31, 70),
        AMERICAN_FACES,
        captions=(Caption("GUATEMALA", "top", 18, BRIGHT_BLUE), Caption("CENTRO AMERICA", "bottom", 12, BRIGHT_BLUE)),
    ),
)
