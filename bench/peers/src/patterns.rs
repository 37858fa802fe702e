//! The 15 regexes of LeakSignal's public `low_fp.yaml` policy, in its order and its (Rust's) syntax.

pub const PATTERNS: &[(&str, &str)] = &[
    (
        "pii_dob_correlate",
        concat!(
            r"(?-u:\b)(19[2-9]\d|20[0-1]\d)(([-/.](0?[1-9]|1[0-2])[-/.](0?[1-9]|1\d|2\d|3[0-1]))",
            r"|((0[1-9]|1[0-2])(0[1-9]|1\d|2\d|3[0-1])))(?-u:\b)",
            r"|(?-u:\b)(((0?[1-9]|1\d|2\d|3[0-1])[-/.](0?[1-9]|1[0-2])[-/.])",
            r"|((0[1-9]|1\d|2\d|3[0-1])(0[1-9]|1[0-2]))",
            r"|((0?[1-9]|1[0-2])[-/.](0?[1-9]|1\d|2\d|3[0-1])[-/.])",
            r"|((0[1-9]|1[0-2])(0[1-9]|1\d|2\d|3[0-1])))(19[2-9]\d|20[0-1]\d)(?-u:\b)",
        ),
    ),
    (
        "pii_email",
        r"(?-u:\b)[a-zA-Z0-9][a-zA-Z0-9_.+-]{0,}@[a-zA-Z0-9][a-zA-Z0-9-.]{0,}\.[a-zA-Z]{2,}(?-u:\b)",
    ),
    ("pii_ssn_us", r"(?-u:\b)\d{3}[ .-]\d{2}[ .-]\d{4}(?-u:\b)"),
    (
        "pii_phone_us",
        concat!(
            r"(?-u:\b)(1[ .-]?)?[2-9]\d{2}[ .-]?\d{3}[ .-]?\d{4}(?-u:\b)",
            r"|((?-u:\b)1[ .-]?)?\([2-9]\d{2}\)[ .-]?\d{3}[ .-]?\d{4}(?-u:\b)",
        ),
    ),
    ("pii_phone_us_correlate", r"(?-u:\b)1[2-9]\d{9}(?-u:\b)"),
    ("pii_imei", r"(?-u:\b)\d{2}((-\d{6}-\d{6}-)|( \d{6} \d{6} ))\d(?-u:\b)"),
    ("pii_imsi_us", r"(?-u:\b)310\d{12}(?-u:\b)"),
    ("pii_imsi_us_2", r"(?-u:\b)31026(20|05|04|00)\d{8}(?-u:\b)"),
    (
        "pii_address_us_narrow",
        concat!(
            r"(?i)(?-u:\b)\d{1,5} ([a-zA-Z0-9]+ ){0,5}",
            r"(street|st|avenue|ave|boulevard|blvd|road|rd|route|way|highway|hwy|drive|lane|loop|court|circle|cove",
            r"|place|terrace),?( [a-zA-Z0-9#,\.]+){0,3}(?-u:\b)",
        ),
    ),
    ("rce_ls", r"(?-u:\b)drwx"),
    ("rce_ifconfig", r"(?-u:\b)ether "),
    ("rce_root", r"(?-u:\b)root(?-u:\b)"),
    ("rce_privatekey", r"PRIVATE KEY"),
    (
        "aws_access_token",
        concat!(
            r"(?-u:\b)((A3T[A-Z0-9]|ABIA|ACCA|AGPA|AIDA|AIPA|AKIA|ANPA|ANVA|APKA|AROA|ASCA|ASIA)",
            r"[A-Z0-9]{16,18})(?-u:\b)",
        ),
    ),
    (
        "bank_credit_card_data",
        concat!(
            r"(?-u:\b)(?:4[0-9]{12}(?:[0-9]{3})?|[25][1-7][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}",
            r"|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35\d{3})\d{11})(?-u:\b)",
        ),
    ),
];
