"""Sentences, titles and products the generated org is made of, the awkward ones among them."""

from dataclasses import dataclass

NOTES_LENGTH, OUTCOME_LENGTH, LINE_LENGTH = 16_000, 4_000, 255

# name, index of the therapeutic area (None: of none), generic name, group, place in lists, launch, promoted
PRODUCTS: tuple[tuple[str, int | None, str | None, str | None, float | None, str | None, bool], ...] = (
    ("Lumatrex", 0, "osimitinib", "TKI", 1, "2018-04-16", True),
    ("Alkavo", 0, "brigacrizinib", "TKI", 2, "2019-09-02", True),
    ("Immunexa", 0, "pemvolimab", "Checkpoint inhibitor", 3, "2016-10-24", True),
    ("Krasivant", 0, "sotadagrasib", "TKI", 4, "2022-01-10", True),
    ("Rosqiva", 0, "entrelotinib", "TKI", 5, "2020-08-03", True),
    ("Hertova", 1, "trastuzumab rezetecan", "ADC", 1, "2021-02-15", True),
    ("Pikanto", 1, "inavalisib", "Other", 2, "2023-11-06", True),
    ("Esrelia", 1, None, "Other", 3, "4000-12-31", False),
    ("Colmeris", 2, "dostarvolimab", "Checkpoint inhibitor", 1, "2019-05-20", True),
    ("Gastruma", 2, "zolbetatug", "Other", 2, "2024-03-25", True),
    ("Panivexa", 2, "panitucetumab", "Other", 3, "2015-06-01", True),
    ("Prostagen", 3, "olapazoparib", "PARP inhibitor", 1, "2020-05-18", True),
    ("Urofera", 3, "erdafigratinib", "TKI", 2, "2021-07-12", True),
    ("Ovalyra", 4, "niraparib sesquihydrate", "PARP inhibitor", 1, "2018-11-19", True),
    ("Folarenza", 4, "mirvetuximab duocarmazine", "ADC", 2, "2024-06-10", True),
    ("Melanobra", 5, "encodafenib", "TKI", 1, "2019-01-28", True),
    ("Skinvera", 5, "tebentafilimab", "Checkpoint inhibitor", -2, "2022-10-17", True),
    ("Leukaris", 6, "giltizartinib", "TKI", 1, "2018-12-03", True),
    ("Ivodena", 6, "olutivosidenib", "TKI", 2, "2022-12-05", True),
    ("Bcravo", 6, "asciminatinib", "TKI", 3, "1700-01-01", True),
    ("Thyrogal", 7, "selpralsetinib", "TKI", 1, "2021-03-29", True),
    ("NA", 7, "null", None, None, None, False),
    ("Tumexa", None, "larotrectumab", "Other", 999_999_999_999_999, "2019-02-11", True),
    ("泰瑞莎", 0, "奥希替尼片", "TKI", 0, "2017-03-22", True),
    ("ยามุ่งเป้า", 5, 'dabrametinib "generic"', "TKI", 7, "2020-02-29", False),
    ("Line\nBreak 50 mg", 2, "two\r\nlines", "Other", 4, None, True),
    ("  Padded  ", 3, "  ", "Other", 5, "2012-12-31", False),
    ("Quote \" and 'apostrophe'", 4, "comma, semicolon; backslash\\", None, 1e17, "2013-01-01", False),
    ("Nul\x00umab", 6, "x" * 255, "Other", 0.0, "2000-02-29", False),
    ("長" * 80, 1, "薬" * 255, "ADC", 8, "2014-04-01", False),
)
# index of the biomarker → index of the product that it is a companion diagnostic of
COMPANION_PRODUCTS = {
    0: 0, 1: 1, 2: 4, 3: 2, 4: 3, 6: 5, 7: 5, 8: 6, 9: 7, 10: 8, 11: 10, 12: 9,
    13: 11, 14: 12, 15: 13, 16: 14, 17: 15, 19: 17, 20: 18, 21: 19, 22: 20, 23: 21,
}  # fmt: skip


@dataclass(frozen=True)
class ObjectiveType:
    """What an objective of a type counts, and where its numbers lie: start and end of ranges, in units of `step`."""

    name: str
    unit: str
    baseline: tuple[int, int]
    gain: tuple[int, int]
    step: float
    title: str


OBJECTIVE_TYPES = (
    ObjectiveType("Onboard test", "tests", (0, 3), (1, 4), 1, "Bring {marker} in house"),
    ObjectiveType("Reduce TAT", "days", (40, 120), (-36, -8), 0.25, "{marker}: result in time"),
    ObjectiveType("Raise testing rate", "percent", (40, 280), (20, 120), 0.25, "Test every {marker} patient"),
    ObjectiveType("Educate", "people", (0, 12), (4, 40), 1, "Teach {marker} reporting"),
)

TOPICS = (
    "Turnaround of NGS panels",
    "Reflex testing at diagnosis",
    "Reimbursement",
    "Sample quality, liquid biopsy",
    "External quality assessment",
    "Onboarding a new assay",
    "Reporting of variants (VUS)",
    None,
)
OUTCOMES = (
    "Agreed to pilot reflex testing for all new diagnoses.",
    "Lab needs a second technician; budget is decided in Q3.",
    "No decision.\nPathologist on leave until next month.",
    "Asked for validation data of the assay.",
    "Will share monthly volumes from the LIMS.",
    "Sends samples out; contract ends next year.",
    None,
)
NEXT_STEPS = ("Send validation data", "Follow up in 4 weeks", "Invite to webinar", "Visit with MSL", None, None)
NOTES = (
    "Agreed with the head of the lab.",
    "Depends on reimbursement.\n- dossier sent\n- answer in spring",
    'Lab says: "we will, if samples arrive fixed".',
    "Baseline taken from the LIMS export of last quarter.",
    None,
    None,
)
HURTING_TEXTS = (
    "NA",
    "null",
    "NULL",
    "None",
    'He said "yes", she said ""no""',
    "line one\nline two\r\nline three\n",
    "  leading and trailing  ",
    "nul\x00inside",
    "ห้องปฏิบัติการแจ้งว่า ผลตรวจล่าช้า",
    "实验室表示：“下个月开始检测”，样本不足。",
    "tab\tbackslash\\ slash/ pipe| semicolon; comma,",
    "\\N",
    "=1+1",
    "🧬 naïve café e\u0301 \u200b zero-width",
    "\u2028 line separator \u0085 next line",
)
JOB_TITLES = (
    ("Medical Science Liaison", "Medical Affairs"),
    ("Diagnostics Lead", "Precision Medicine"),
    ("Key Account Manager", "Commercial"),
)
REGIONS = ("North", "South", "East", "West", "Centre")
COUNTRY_NAMES = {
    "DE": "Deutschland",
    "FR": "France",
    "GB": "United Kingdom",
    "JP": "日本",
    "TH": "ประเทศไทย",
    "CN": "中国",
}


def hurting_text(index: int, length: int) -> str:
    """A text that breaks careless readers; the index after the last one fills the whole length with 3-byte letters."""
    turn = index % (len(HURTING_TEXTS) + 1)
    if turn == len(HURTING_TEXTS):
        return ("検査室の目標：" * length)[:length]
    return HURTING_TEXTS[turn][:length]
