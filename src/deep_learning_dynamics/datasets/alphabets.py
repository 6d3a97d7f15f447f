"""The alphabets of the stand-in for OMNIGLOT: those that the fonts in matplotlib's wheel have."""

# Alphabet → Unicode code points. Left out are letters that look like one of another alphabet, so
# that what an image shows decides its class.
ALPHABETS = {
    "Arabic": "627-628 62A-63A 641-648 64A",
    "Armenian": "561-56F 571-577 579-57C 57E-580 582-584 586",
    "Armenian capitals": "531-53B 53D-554 556",
    "Braille": "2801 2803 2805 2807 2809-280B 280D-280F 2811 2813 2815 2817 2819-281B 281D-281F "
    "2825 2827 282D 2835 283A 283D",
    "Canadian syllabics": "1401 1403 1405 140A 142F 1431 1433 1438 1455 146B 146D 146F 1472 1489 "
    "148B 148D 1490 14A3 14A5 14A7 14C0 14C2 14C4 14C7 14D3 14D5 14D7 14DA 14ED 14EF 14F1 14F4 "
    "1510-1511 1513 1515 1526 1528 152A 152D 1542-1543 1546 1548 1553 1555 1557 1559",
    "Church Slavonic": "463 465 467 469 46B 46D 46F 471 473 475 477 479 47B 47D 47F 481 A645 A651 "
    "A655 A657 A663 A665 A667 A66D",
    "Coptic and archaic Greek": "371 373 3D0-3D1 3D5-3D7 3D9 3DB 3DD 3DF 3E1 3E3 3E5 3E7 3E9 3EB "
    "3ED 3EF 3F8 3FB",
    "Cyrillic": "431-434 436-439 43B-43D 442 444 446-44F",
    "Fraktur": "1D51E-1D537",
    "Georgian Asomtavruli": "10A0-10B8 10BA-10C5",
    "Georgian Mkhedruli": "10D0-10F0",
    "Georgian Nuskhuri": "2D00-2D25",
    "Greek": "3B1-3C1 3C3-3C9",
    "Hebrew": "5D0-5D4 5D6-5D9 5DB-5DC 5DE 5E0-5E2 5E4 5E6-5EA",
    "Lao": "E81-E82 E84 E87-E88 E8A E8D E94-E97 E99-E9F EA1-EA3 EA5 EA7 EAA-EAB EAD-EB0 EBD EC0 "
    "EC2-EC4",
    "Latin": "61-6B 6D-6E 71-7A",
    "Latin script capitals": "210B 2110 2112 211B 212C 2130-2131 2133 1D49C 1D49E-1D49F 1D4A2 "
    "1D4A5-1D4A6 1D4A9-1D4AC 1D4AE-1D4B5",
    "Lisu": "A4D0-A4D5 A4D7-A4D8 A4DB A4DD-A4E0 A4E3-A4E4 A4E7-A4EA A4EC-A4EF A4F1 A4F7",
    "Medieval Latin": "A723 A725 A729 A72B A733 A735 A737 A739 A73B A73D A73F A741 A747 A74B A751 "
    "A753 A757 A765 A767 A783",
    "N'Ko": "7CC-7E7",
    "Ogham": "1681-1699",
    "Old Italic": "10300-10305 10307 1030A-1030E 10310-1031D",
    "Phonetic": "250 255-25A 25E-260 262-265 267-268 26B-26E 271-272 276 279-27B 27D 280-284 "
    "288-28C 28E 290-292 294-296 29B 29D-29E 2A1-2A2",
    "Tifinagh": "2D30-2D35 2D39-2D4E 2D50-2D56 2D58-2D5F 2D61-2D65",
}
FONTS = {"Fraktur": "STIXGeneral.ttf", "Latin script capitals": "STIXGeneral.ttf"}
FONT = "DejaVuSans.ttf"  # of all other alphabets


def code_points(alphabet: str) -> list[int]:
    """The characters of an alphabet, ascending."""
    points: list[int] = []
    for span in ALPHABETS[alphabet].split():
        first, _, last = span.partition("-")
        points += range(int(first, 16), int(last or first, 16) + 1)
    return points
