"""How tokens of services begin that carry a mark of their own, whatever stands around them."""

from __future__ import annotations

PREFIXES: tuple[str, ...] = (
    # where code is kept, built and published
    *("GR1348941", "bkua_", "CCIPAT_", "CCIPRJ_", "HRKU-AA", "dckr_oat_", "CLOJARS_", "AKCp"),
    *("sqp_", "squ_", "sqa_", "sgp_", "oy2", "API-", "sha256~", "pnu_", "tk-us-", "hawk."),
    *("tskey-", "dnkey-", "nvapi-", "rnd_", "napi_", "sbp_", "sb_secret_", "vcp_", "AVNS_"),
    # models and search
    *("lsv2_pt_", "lsv2_sk_", "pcsk_", "tvly-", "jina_", "e2b_", "csk-", "pa-", "fc-", "ABSK"),
    # money, mail, messages
    *("duffel_test_", "duffel_live_", "EZAK", "EZTK", "FLWSECK", "FLWPUBK", "live_", "rzp_live_"),
    *("access-production-", "access-sandbox-", "access_token$production$", "xkeysib-"),
    *(
        "xsmtpsib-",
        "re_",
        "pubkey-",
        "md-",
        "sq0atp-",
        "sq0csp-",
        "sm_aat_",
        "shpss_",
        "sk_",
        "pk_live_",
    ),
    # clouds, watching, data
    *("LTAI", "AQVN", "t1.9eu", "YCA", "dt0c01.", "dt0s01.", "NRJS-", "NRII-", "ico-", "cflt"),
    *("pscale_tkn_", "pscale_pw_", "pscale_oauth_", "v1.0-", "waka_", "aio_", "p8e-", "cu_"),
    *("s-s4t2ud-", "s-s4t2af-", "pat-na1-", "pat-eu1-", "sk.eyJ", "pk.eyJ", "sl.", "1//0"),
    *("xoxe.xox", "xwfp-", "EAAM", "EAAC", "FlyV1", "fm2_", "fo1_", "secret-token:", "lip_"),
)
"""As they are written. After one, 16 or more characters of a token with a digit follow."""
