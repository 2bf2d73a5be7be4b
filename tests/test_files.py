"""File names: what survives, what no file system may meet, and where a long one is cut."""

import pytest

from facevae.files import LONGEST_NAME, cut_whole, file_stem, paired_name, tidy_name

KEPT = {
    "combining marks": "Ngọc Ánh, Ç̌, x̣̄",
    "Devanagari": "दादी की फ़ोटो क्षत्रिय",
    "Thai": "คุณยายที่บ้าน",
    "Arabic": "صورة جَدّتي",
    "Persian, with a joiner": "عکس\u200cها",
    "Hebrew": "שָׁלוֹם",
    "Tamil": "கொள்கை",
    "Burmese": "မြန်မာ",
    "Khmer": "ភ្នំពេញ",
    "Tibetan": "བོད་སྐད།",
    "Korean": "할머니",
    "Japanese": "がぎぐ 東京",
    "beyond the first plane": "𠮷野家 𞤀𞤁",
    "emoji": "👩🏽‍🚀 ❤️ 🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f 🇺🇦",
    "marks": "it's [draft] (2) {x} #1 50% a+b=c, d; e & f @ ~ ^ _ `$!",
    "dots": "photo.2024.05.17",
}


@pytest.mark.parametrize("name", KEPT.values(), ids=KEPT)
def test_names_of_every_script_stay_as_they_are(name):
    import unicodedata

    composed = unicodedata.normalize("NFC", name)
    assert tidy_name(name) == composed and file_stem(f"{name}.jpg") == composed
    assert tidy_name(unicodedata.normalize("NFD", name)) == composed  # as macOS gives it


@pytest.mark.parametrize(
    ("name", "tidy"),
    [
        ('<>:"/\\|?*a', "a"),
        ('a<>:"/\\|?*b', "a---------b"),
        ("line\nfeed\ttab\x7f\x85\u2028x", "line-feed-tab---x"),
        ("undecodable \udcff byte", "undecodable - byte"),
        ("photo\u202egpj.exe", "photo-gpj.exe"),
        ("  . hidden. . ", "hidden"),
        ("trailing...", "trailing"),
        ("CON", "CON_"),
        ("nul", "nul_"),
        ("Com1", "Com1_"),
        ("lpt¹", "lpt¹_"),
        ("CONOUT$", "CONOUT$_"),
        ("aux.2024", "aux_.2024"),
        ("prn .x", "prn_.x"),
        ("console", "console"),
        ("COM10", "COM10"),
        ("...", "face"),
        ("", "face"),
        ("..", "face"),
    ],
)
def test_what_a_file_system_does_not_take_is_replaced(name, tidy):
    assert tidy_name(name) == tidy


@pytest.mark.parametrize("letter", ["a", "é", "猫", "😀", "क्ष", "नि", "ที่", "👩🏽‍🚀", "🇺🇦", "x\u0323\u0304"])
def test_long_names_are_cut_between_whole_characters_and_stay_apart(letter):
    for before in ("", "a", "ab", "abc"):
        one, two = (tidy_name(before + letter * 200 + end) for end in ("1", "2"))
        assert one != two and len(one.encode()) <= LONGEST_NAME
        whole = one.removeprefix(before)[:-7]  # the hash and its dash
        assert whole == letter * (len(whole) // len(letter)) and len(whole.encode()) > LONGEST_NAME - 7 - 4 - len(letter.encode())
    film = paired_name(letter * 200, letter * 200)
    assert len(film.encode()) <= LONGEST_NAME + 4


def test_one_letter_under_many_marks_is_cut_somewhere():
    assert cut_whole("e" + "\u0301" * 500, 9) == "e" + "\u0301" * 4
