"""Words the generated org is made of: places, people, markers, and values that hurt careless readers."""

from dataclasses import dataclass

# A wheel, not weights: integer picks are the same on every Python.
COUNTRY_WHEEL = ("DE",) * 12 + ("FR",) * 9 + ("GB",) * 9 + ("JP",) * 8 + ("CN",) * 8 + ("TH",) * 4
COUNTRIES = ("DE", "FR", "GB", "JP", "TH", "CN")


@dataclass(frozen=True)
class Place:
    """A city with its region and a postal code."""

    city: str
    state: str | None
    postal_code: str


@dataclass(frozen=True)
class CountryWords:
    """How names look in one country; `{city}` in the patterns stands for the place."""

    calling_code: str
    domain: str
    places: tuple[Place, ...]
    lab_patterns: tuple[str, ...]
    hospital_patterns: tuple[str, ...]
    given_names: tuple[str, ...]
    family_names: tuple[str, ...]
    family_first: bool = False


WORDS: dict[str, CountryWords] = {
    "DE": CountryWords(
        "+49",
        "de",
        (
            Place("Köln", "Nordrhein-Westfalen", "50937"),
            Place("München", "Bayern", "81377"),
            Place("Berlin", "Berlin", "10117"),
            Place("Heidelberg", "Baden-Württemberg", "69120"),
        ),
        ("Institut für Pathologie {city}", "Molekularlabor {city} GmbH", "MVZ Diagnostik {city}"),
        ("Universitätsklinikum {city}", "Klinikum {city}"),
        ("Jürgen", "Anke", "Björn", "Käthe", "Lukas", "Maria"),
        ("Müller", "Groß", "Schäfer", "Weiß", "von der Heide", "Köhler"),
    ),
    "FR": CountryWords(
        "+33",
        "fr",
        (
            Place("Paris", "Île-de-France", "75014"),
            Place("Lyon", "Auvergne-Rhône-Alpes", "69008"),
            Place("Saint-Étienne", "Auvergne-Rhône-Alpes", "42055"),
            Place("Bordeaux", None, "33076"),
        ),
        ("Laboratoire d'anatomopathologie de {city}", "Plateforme de génétique, {city}", "Biopath {city} SELAS"),
        ("CHU de {city}", "Hôpital Saint-Joseph, {city}"),
        ("Éloïse", "François", "Noël", "Chloé", "Jean-Luc", "Inès"),
        ("Lefèvre", "Dupré", "D'Angelo", "Garçon", "Moreau", "Benoît"),
    ),
    "GB": CountryWords(
        "+44",
        "co.uk",
        (
            Place("London", "England", "SW3 6JJ"),
            Place("Leeds", "England", "LS9 7TF"),
            Place("Cardiff", "Wales", "CF14 4XW"),
            Place("Glasgow", "Scotland", "G12 0YN"),
        ),
        ("{city} Genomic Laboratory Hub", "{city} Cellular Pathology", "Source & Sons Diagnostics, {city}"),
        ("{city} University Hospitals NHS Trust", "Royal Infirmary {city}"),
        ("Siobhán", "Oliver", "Amelia", "Rhys", "Priya", "Callum"),
        ("O'Connor", "Smith-Jones", "Patel", "MacLeod", "Evans", "Wright"),
    ),
    "JP": CountryWords(
        "+81",
        "jp",
        (
            Place("東京", "東京都", "104-0045"),
            Place("大阪", "大阪府", "541-8567"),
            Place("名古屋", "愛知県", "464-8681"),
            Place("札幌", "北海道", "060-8648"),
        ),
        ("{city}病理診断センター", "{city}ゲノム検査研究所", "株式会社{city}メディカルラボ"),
        ("{city}大学病院", "国立がん研究センター{city}病院"),
        ("太郎", "花子", "健一", "美咲", "翔", "直子"),
        ("佐藤", "鈴木", "髙橋", "田中", "渡邉", "伊藤"),
        True,
    ),
    "TH": CountryWords(
        "+66",
        "co.th",
        (
            Place("กรุงเทพมหานคร", None, "10700"),
            Place("เชียงใหม่", "เชียงใหม่", "50200"),
            Place("ขอนแก่น", "ขอนแก่น", "40002"),
        ),
        ("ห้องปฏิบัติการพยาธิวิทยา {city}", "ศูนย์จีโนมิกส์ {city}"),
        ("โรงพยาบาล{city}", "โรงพยาบาลมหาวิทยาลัย {city}"),
        ("สมชาย", "สุดารัตน์", "ณัฐวุฒิ", "พิมพ์ชนก"),
        ("ใจดี", "ศรีสุข", "วงศ์สวัสดิ์", "ทองคำ"),
    ),
    "CN": CountryWords(
        "+86",
        "cn",
        (
            Place("北京", "北京市", "100142"),
            Place("上海", "上海市", "200032"),
            Place("广州", "广东省", "510060"),
            Place("成都", "四川省", "610041"),
        ),
        ("{city}病理诊断中心", "{city}基因检测有限公司", "{city}医学检验所"),
        ("{city}肿瘤医院", "{city}大学附属第一医院"),
        ("伟", "秀英", "娜", "强", "思远", "静怡"),
        ("王", "李", "张", "刘", "欧阳", "陈"),
        True,
    ),
}

SPECIALTIES = (
    "Pathology",
    "Medical Oncology",
    "Haematology",
    "Pulmonology",
    'Surgery, "minimal invasive"',
    "NA",
    "null",
)

THERAPEUTIC_AREAS = (
    "Thoracic Oncology",
    "Breast Oncology",
    "Gastrointestinal Oncology",
    "Genitourinary Oncology",
    "Gynaecologic Oncology",
    "Melanoma & Skin",
    "Haematology",
    "Endocrine, Head & Neck",
)

# name, index of the therapeutic area (None: tumour-agnostic), indication, companion diagnostic
BIOMARKERS: tuple[tuple[str, int | None, str | None, bool], ...] = (
    ("EGFR", 0, "NSCLC", True),
    ("ALK", 0, "NSCLC", True),
    ("ROS1", 0, "NSCLC", True),
    ("PD-L1 (22C3)", 0, 'NSCLC, "first line"', True),
    ("KRAS G12C", 0, "NSCLC", True),
    ("MET exon 14", 0, "NSCLC", False),
    ("HER2", 1, "Breast cancer", True),
    ("HER2-low", 1, "Breast cancer\nmetastatic", True),
    ("PIK3CA", 1, "Breast cancer", True),
    ("ESR1", 1, None, False),
    ("MSI-H / dMMR", 2, "Colorectal cancer", True),
    ("KRAS/NRAS", 2, "Colorectal cancer", True),
    ("Claudin 18.2", 2, "胃癌 (gastric cancer)", True),
    ("BRCA1/2", 3, "Prostate cancer", True),
    ("FGFR3", 3, "Urothelial carcinoma", True),
    ("HRD", 4, "Ovarian cancer", True),
    ("FRα", 4, "Ovarian cancer", True),
    ("BRAF V600E", 5, "Melanoma", True),
    ("NRAS", 5, "Melanoma", False),
    ("FLT3", 6, "AML", True),
    ("IDH1", 6, "AML", True),
    ("BCR-ABL1", 6, "CML", False),
    ("RET", 7, "มะเร็งต่อมไทรอยด์", True),
    ("NA", 7, "null", False),
    ("TMB", None, "Tumour-agnostic", False),
)

NAME_LENGTH = 255
HURTING_NAMES = (
    "{name}\nAnnex B",
    '"{name}", Inc.',
    "  {name}  ",
    "NA",
    "null",
    "{name}\x00Ltd",
    "ห้องปฏิบัติการกลาง, {name}",
    "检验中心“{name}”",
    "{name}\r\n2nd floor\ttrailing\\",
    "#N/A; {name} 🧬 'e\u0301'",
)


def hurting_name(index: int, name: str) -> str:
    """A name that breaks careless readers; the index after the last pattern gives one of the greatest length."""
    turn = index % (len(HURTING_NAMES) + 1)
    if turn == len(HURTING_NAMES):
        return (f"国立がん研究センター・{name}・" * NAME_LENGTH)[:NAME_LENGTH]
    return HURTING_NAMES[turn].format(name=name)
