"""Plate designs of Asia, Africa and Oceania."""

from __future__ import annotations

from typing import Final

from training.synthesis.designs import (
    AMERICAN_FACES,
    BLACK,
    BLUE,
    BRIGHT_BLUE,
    CREAM,
    GREEN,
    HEAVY_FACES,
    MAROON,
    RED,
    WHITE,
    YELLOW,
    Band,
    Caption,
    Color,
    Design,
    plain,
)

_INDIAN: Final = "{MH,DL,KA,TN,KL,UP,GJ,RJ,HR,PB,AP,TS,WB,MP,BR,OD,AS,CG,JH,UK,GA,HP,PY,CH,TR,JK,TG,MN,ML,LA}"
_PAINTED_FACES: Final = (*HEAVY_FACES, "overpass-600", "roboto-condensed-500", "dosis-700", "rajdhani-700")
"""Of plates that a sign painter makes."""
_VIETNAMESE: Final = "{29,30,51,59,54,43,15,60,61,72,36,37,47,50,65,75,77,92,99}"
_EMIRATES: Final = (
    ("ae-du", "DUBAI"),
    ("ae-az", "ABU DHABI"),
    ("ae-sh", "SHARJAH"),
    ("ae-aj", "AJMAN"),
    ("ae-rk", "RAS AL KHAIMAH"),
)


def _indian(size: tuple[float, float], paper: Color, ink: Color, *serials: str, band: bool, share: float) -> Design:
    strip = (Band("left", 26, WHITE if paper == WHITE else YELLOW, "IND", ink=BRIGHT_BLUE),) if band else ()
    faces = HEAVY_FACES if band else _PAINTED_FACES
    return Design("in", size, plain(paper), ink, serials, (34, 66), faces, strip, border=ink, share=share)


def _one_line(
    region: str,
    size: tuple[float, float],
    paper: Color,
    ink: Color,
    *serials: str,
    top: str = "",
    bottom: str = "",
    share: float = 1.0,
) -> Design:
    """A plate without a band; its captions are small."""
    print_height = 0.11 * size[1]
    upper = (Caption(top, "top", print_height, ink),) if top else ()
    captions = (*upper, *((Caption(bottom, "bottom", print_height, ink),) if bottom else ()))
    height = size[1] * (0.62 if not captions else 0.52)
    return Design(
        region,
        size,
        plain(paper),
        ink,
        serials,
        (height * 0.52, height),
        HEAVY_FACES,
        captions=captions,
        border=ink,
        share=share,
    )


def _two_lines(region: str, size: tuple[float, float], paper: Color, ink: Color, *serials: str) -> Design:
    return Design(
        region, size, plain(paper), ink, serials, (size[1] * 0.2, size[1] * 0.38), HEAVY_FACES, border=ink, share=0.5
    )


INDIA: Final = tuple(
    _indian(size, paper, ink, *serials, band=band, share=share)
    for paper, ink, colour_share in (
        (WHITE, BLACK, 1.0),
        (YELLOW, BLACK, 0.35),
        (GREEN, WHITE, 0.05),
        (BLACK, YELLOW, 0.05),
    )
    for band in (True, False)
    for size, serials, share in (
        (
            (500.0, 120.0),
            (
                f"{_INDIAN} ## @@ ####",
                f"{_INDIAN}##@@####",
                f"{_INDIAN} ## @ ####",
                f"{_INDIAN}-##-@@-####",
                f"{_INDIAN}.##.@@.####",
            ),
            colour_share,
        ),
        (
            (340.0, 200.0),
            (
                f"{_INDIAN} ##|@@ ####",
                f"{_INDIAN}-##-@@|####",
                f"{_INDIAN} ## @|####",
                f"{_INDIAN}.##|@@.####",
                f"{_INDIAN} ##|@ ####",
                f"{_INDIAN}##@@|####",
            ),
            colour_share * 0.5,
        ),
    )
)

ASIA: Final = (
    _one_line("pk", (400, 130), WHITE, BLACK, "@@@-###", "@@@ ####", "@@-####", top="SINDH", share=0.7),
    _one_line("pk", (400, 130), GREEN, WHITE, "@@@-###", "@@-####", top="PUNJAB", share=0.4),
    _one_line("pk", (400, 130), WHITE, BLACK, "@@-###", "@@@-###", bottom="ICT-ISLAMABAD", share=0.7),
    _two_lines("pk", (300, 180), WHITE, BLACK, "@@@ - ##|####", "@@@|###"),
    _one_line("pk", (430, 120), BLACK, WHITE, "@@@ ####", "@@@-####", "@@@-###", "@ ####", "L@@ ## ####", share=1.4),
    _two_lines("pk", (300, 180), BLACK, WHITE, "@@@|####", "@@@|###"),
    _one_line("pk", (430, 130), WHITE, BLACK, "@@@<##>####", "@@@[##]####", "@@@<##>###", top="PUNJAB", share=0.8),
    _one_line("pk", (430, 130), BLACK, WHITE, "@@@<##>####", "@@@[##]###"),
    _two_lines("pk", (300, 180), WHITE, BLACK, "@@@<##>|####", "@@ <##>|####"),
    _one_line("lk", (500, 120), WHITE, BLACK, "{WP,CP,SP,NW} @@@-####", "{WP,CP} @@-####"),
    _one_line("my", (500, 110), BLACK, WHITE, "@@@ ####", "@ ####", "W@@ ####", "@@@ ###", share=1.2),
    _two_lines("my", (300, 180), BLACK, WHITE, "@@@|####"),
    _one_line("sg", (520, 120), BLACK, WHITE, "S@@ #### @", "S@@####@"),
    _one_line(
        "id", (430, 135), BLACK, WHITE, "{B,D,F,L,N,AB,AD} #### @@@", "{B,D,L} #### @@", bottom="12.24", share=0.8
    ),
    _one_line("id", (430, 135), WHITE, BLACK, "{B,D,F,L,AB,DK} #### @@@", bottom="07.27"),
    _one_line("ph", (390, 140), WHITE, BLACK, "@@@ ####", "@@@ ###", bottom="REGION IV-A", top="PILIPINAS"),
    _one_line("vn", (470, 110), WHITE, BLACK, "{30,51,29,59,43,15,60}@-###.##", "{30,51}@-####"),
    *(
        _two_lines(
            "vn",
            (190, 140),
            paper,
            ink,
            f"{_VIETNAMESE}-@#|###.##",
            f"{_VIETNAMESE}-@#|####",
            f"{_VIETNAMESE} @#|#####",
        )
        for paper, ink in ((WHITE, BLACK), (BLUE, WHITE))
    ),
    *(
        _two_lines(
            "vn", (330, 165), paper, ink, f"{_VIETNAMESE}@|###.##", f"{_VIETNAMESE}@|####", f"{_VIETNAMESE}@|#####"
        )
        for paper, ink in ((WHITE, BLACK), (YELLOW, BLACK), (BLUE, WHITE))
    ),
    _one_line("cn", (440, 140), BLUE, WHITE, "*@.~####", "*@.#@###", "*@.#####"),
    _one_line("cn", (480, 140), (190, 226, 200), BLACK, "*@.D#####", "*@.F#####", share=0.5),
    _one_line("hk", (520, 110), WHITE, BLACK, "@@ ####", "@@ ###"),
    _one_line("hk", (520, 110), YELLOW, BLACK, "@@ ####"),
    *(
        Design("tw", (320, 150), plain(paper), ink, serials, (33, 82), HEAVY_FACES, border=ink, stickers=True)
        for paper, ink, serials in (
            (WHITE, BLACK, ("@@@.####", "@@@-####", "###.@@@", "@@@.###", "####.@@", "@#.####")),
            (WHITE, GREEN, ("@@@.####", "@@.####")),
            (YELLOW, BLACK, ("@@@.####", "@@@.###")),
        )
    ),
    *(_one_line(region, (520, 110), WHITE, BLACK, "@ #####", "## #####", top=name) for region, name in _EMIRATES),
    *(
        Design(
            region,
            (305, 152),
            plain(WHITE),
            BLACK,
            ("@ #####", "#####", "## #####"),
            (30, 62),
            AMERICAN_FACES,
            captions=(Caption(name, "top", 22, RED),),
        )
        for region, name in _EMIRATES
    ),
    *(
        Design(
            "sa",
            size,
            plain(WHITE),
            BLACK,
            ("%%%% $ $ $|#### @ @ @", "%%% $ $ $|### @@@", "%%%% $ $ $|#### @@@"),
            (0.18 * size[1], 0.34 * size[1]),
            HEAVY_FACES,
            (Band("right", 45, paper, "KSA", ink=BLACK),),
            border=BLACK,
            letters="ABDEGHJKLNRSTUVXZ",
        )
        for size in ((520.0, 110.0), (335.0, 155.0))
        for paper in (WHITE, BRIGHT_BLUE, YELLOW)
    ),
    Design(
        "qa",
        (520, 110),
        plain(WHITE),
        BLACK,
        ("######", "#####"),
        (44, 72),
        HEAVY_FACES,
        (Band("left", 60, MAROON, "QATAR"),),
    ),
    Design(
        "bh",
        (400, 110),
        plain(WHITE),
        BLACK,
        ("######", "#####"),
        (42, 72),
        HEAVY_FACES,
        (Band("left", 50, RED, "BAHRAIN"),),
    ),
    *(
        Design(
            "kw",
            (320, 160),
            plain(paper),
            ink,
            ("## #####", "#-#####", "##-####", "##|#####"),
            (34, 72),
            HEAVY_FACES,
            captions=captions,
            border=ink,
        )
        for paper, ink in ((WHITE, BLACK), (YELLOW, BLACK))
        for captions in (
            (Caption("KUWAIT", "top", 20, ink), Caption("الكويت", "bottom", 24, ink)),
            (Caption("الكويت  KUWAIT", "top", 28, ink),),
        )
    ),
    Design(
        "kw",
        (520, 110),
        plain(WHITE),
        BLACK,
        ("## #####",),
        (40, 76),
        HEAVY_FACES,
        (Band("left", 90, WHITE, "الكويت", ink=BLACK),),
        border=BLACK,
    ),
    *(
        Design(
            "om",
            (width, 110),
            plain(paper),
            ink,
            serials,
            (32, 80),
            HEAVY_FACES,
            (Band("right", band, paper, "عُمان", ink=ink),),
            border=ink,
            letters="AABBBHRYMWDSTKL",
            share=share,
        )
        for width, band in ((420.0, 110.0), (360.0, 70.0))
        for paper, ink, share in (((240, 180, 30), BLACK, 2.0), (RED, WHITE, 0.6), (WHITE, BLACK, 0.3))
        for serials in (("##### (@)", "##### (@@)", "#### (@@)", "#### (@)", "### (@@)"),)
    ),
    *(
        Design(
            "om",
            (280, 170),
            plain(paper),
            ink,
            ("(@@)|#####", "(@)|####", "(@)|#####"),
            (30, 66),
            HEAVY_FACES,
            captions=(Caption("عُمان", "top", 20, ink),),
            border=ink,
            share=0.3,
            letters="AABBBHRYMWDSTKL",
        )
        for paper, ink in (((240, 180, 30), BLACK), (RED, WHITE))
    ),
    _one_line("jo", (520, 110), WHITE, BLACK, "##-#####", "#-#####", top="JORDAN"),
    Design(
        "lb",
        (400, 110),
        plain(WHITE),
        BLACK,
        ("@ ######", "@ #####"),
        (36, 70),
        HEAVY_FACES,
        (Band("left", 42, BLUE, "LIBAN"),),
    ),
)

FOREIGN: Final = (
    *(
        Design("bd", size, plain(paper), ink, serials, (30, 50), HEAVY_FACES, border=ink, script="bengali", share=share)
        for paper, ink, share in ((WHITE, BLACK, 1.0), (GREEN, WHITE, 0.5), (BLACK, WHITE, 0.2))
        for size, serials in (
            ((340.0, 200.0), ("$$$$ $$$-$|%%-%%%%", "$$$$$-$|%%-%%%%")),
            ((520.0, 110.0), ("$$$$ $$-$ %%-%%%%",)),
        )
    ),
    *(
        Design(
            "th",
            (340, 150),
            plain(paper),
            BLACK,
            ("#$$ ####", "$$ ####", "$$ ###", "#$$ ##", "$$$|###"),
            (32, 66),
            HEAVY_FACES,
            captions=(Caption(town, "bottom", 24, BLACK),),
            border=BLACK,
            script="thai",
        )
        for paper in (WHITE, YELLOW)
        for town in ("กรุงเทพมหานคร", "เชียงใหม่", "ชลบุรี", "นนทบุรี")
    ),
    *(
        Design(
            region,
            size,
            plain(WHITE),
            BLACK,
            ("%%% $ $ $", "%%%% $ $", "%%$ %%%", "%%%%% $"),
            (34, 70),
            HEAVY_FACES,
            captions=(Caption(name, "top", 30, BLACK),) if name else (),
            border=BLACK,
        )
        for region, size, name in (
            ("eg", (350.0, 170.0), "EGYPT  مصر"),
            ("eg", (350.0, 170.0), "مصر"),
            ("ir", (520.0, 110.0), ""),
        )
    ),
)
"""Plates without Latin letters: nothing is read, or their Latin digits alone."""

AFRICA: Final = (
    _one_line(
        "za",
        (440, 120),
        WHITE,
        BLACK,
        "@@ ## @@ GP",
        "@@@ ### GP",
        "CA ######",
        "ND ######",
        "@@@ ### {L,MP,EC,NW}",
        share=1.5,
    ),
    _one_line("za", (440, 120), WHITE, BLUE, "@@ ## @@ GP", "CA ### ###"),
    _one_line("ke", (520, 110), WHITE, BLACK, "K@@ ###@"),
    _one_line("ke", (520, 110), YELLOW, BLACK, "K@@ ###@"),
    _one_line("ug", (520, 110), WHITE, BLACK, "U@@ ###@"),
    _one_line("ug", (520, 110), YELLOW, BLACK, "U@@ ###@"),
    _one_line(
        "ng", (340, 150), WHITE, BLUE, "@@@-###@@", "@@@ ### @@", top="LAGOS", bottom="FEDERAL REPUBLIC OF NIGERIA"
    ),
    _one_line("gh", (520, 110), WHITE, BLACK, "{GR,GT,AS,WR} ####-##", "GW ###-##"),
    _one_line("ma", (520, 110), WHITE, BLACK, "#####-@-##", "#####-#"),
)

_PACIFIC_FORMATS: Final = (
    ("au-nsw", "NEW SOUTH WALES", YELLOW, BLACK, ("@@@-##@", "@@@ ###", "@@ ## @@")),
    ("au-nsw", "NSW", WHITE, BLACK, ("@@@-##@", "@@ ## @@", "@@@ ###")),
    ("au-vic", "VICTORIA - THE EDUCATION STATE", WHITE, BLUE, ("#@@-#@@", "@@@-###")),
    ("au-vic", "VICTORIA - THE PLACE TO BE", WHITE, GREEN, ("@@@-###",)),
    ("au-qld", "QUEENSLAND - SUNSHINE STATE", WHITE, MAROON, ("###-@@@", "###-@@#", "### @@@")),
    ("au-wa", "WESTERN AUSTRALIA", WHITE, BLUE, ("#@@@-###", "1@@@ ###")),
    ("au-sa", "SOUTH AUSTRALIA", WHITE, BLACK, ("S###-@@@", "@@@-###")),
    ("au-tas", "TASMANIA - EXPLORE THE POSSIBILITIES", WHITE, BLUE, ("@ ## @@", "@@ ####")),
    ("au-act", "CANBERRA - THE NATION'S CAPITAL", WHITE, BLUE, ("Y@@-##@",)),
    ("au-nt", "NT - OUTBACK AUSTRALIA", CREAM, RED, ("@@ ## @@", "###-###")),
)

PACIFIC: Final = (
    *(
        Design(
            region,
            (372, 134),
            plain(paper),
            ink,
            serials,
            (36, 70),
            AMERICAN_FACES,
            captions=(Caption(name, "bottom", 15, ink),),
            border=ink,
        )
        for region, name, paper, ink, serials in _PACIFIC_FORMATS
    ),
    _one_line("nz", (360, 125), WHITE, BLACK, "@@@###", "@@####", share=2),
)
