"""Made-up secrets in the shapes that services give theirs: nearly all are taken out, however cut.

The shapes are a list of their own: ``a`` letters and digits, ``h`` hexadecimal, ``l`` small letters
and digits, ``u`` capitals and digits, ``d`` digits, ``w`` as in base64 for URLs, then how many.
"""

from __future__ import annotations

import random
import re
import string

from mato_sessions.redact import Redactor

MARKED = """
AKIA{u16} ASIA{u16} AIza{w35} ya29.{w60} GOCSPX-{w28} ghp_{a36} gho_{a36} ghu_{a36} ghs_{a36}
ghr_{a36} github_pat_{a22}_{a59} glpat-{w20} glptt-{h40} gldt-{w20} glrt-{w20} glft-{w20}
glsoat-{w20} glagent-{w50} glimt-{w25} gloas-{h64} GR1348941{w20} glcbt-{h2}_{w20}
xoxb-{d12}-{d12}-{a24} xoxp-{d12}-{d12}-{d12}-{h32} xoxa-2-{d12}-{a24} xapp-1-{u11}-{d13}-{l64}
https://hooks.slack.com/services/T{u8}/B{u10}/{a24} sk_live_{a24} sk_test_{a24} rk_live_{a99}
whsec_{a32} sk-ant-api03-{w93}AA sk-ant-admin01-{w93}AA sk-{a20}T3BlbkFJ{a20} sk-proj-{w74}
sk-svcacct-{w74} sk-or-v1-{h64} hf_{a34} api_org_{a34} gsk_{a52} xai-{a80} pplx-{a48} r8_{a37}
tgp_v1_{w43} fw_{a24} npm_{a36} pypi-AgEIcHlwaS5vcmc{w60} rubygems_{h48} dckr_pat_{w27}
dckr_oat_{w32} SG.{w22}.{w43} dop_v1_{h64} doo_v1_{h64} dor_v1_{h64} shpat_{h32} shpca_{h32}
shppa_{h32} shpss_{h32} hvs.{w95} hvb.{w150} {a14}.atlasv1.{w65} lin_api_{a40} glsa_{a32}_{h8}
glc_{a60} dapi{h32} PMAK-{h24}-{h34} NRAK-{u27} NRJS-{h19} NRII-{w32} sntrys_{w80} sntryu_{h64}
secret_{a43} ntn_{d11}{a35} figd_{w40} EAAA{w60} sq0atp-{w22} sq0csp-{w43} shippo_live_{h40}
pul-{h40} dp.pt.{a43} rdme_{l70} AGE-SECRET-KEY-1{u58} ATATT3{w186} ATCTT3{w180} CFPAT-{w43}
key-{h32} pubkey-{h32} tfp_{w59} eyJrIjoi{a80} phc_{a43} phx_{a43} fio-u-{w64} fo1_{w43}
eyJ{w20}.eyJ{w60}.{w43} {d10}:AA{w33} bkua_{h40} CCIPAT_{a22}_{h40} HRKU-AA{w58} CLOJARS_{l60}
AKCp{a69} sqp_{h40} squ_{h40} sgp_{h40} oy2{l43} API-{u26} sha256~{w43} pnu_{a36} tk-us-{w48}
hawk.{w20}.{w20} tskey-auth-{a12}-{a32} dnkey-{l26}-{l52} nvapi-{w64} rnd_{a32} napi_{a60}
sbp_{h40} sb_secret_{w31} vcp_{a24} AVNS_{w24} lsv2_pt_{h32}_{h10} pcsk_{a6}_{a60} tvly-{a32}
jina_{h32}{a28} e2b_{h40} csk-{l48} pa-{w43} fc-{h32} ABSK{a109} duffel_test_{w43} EZAK{a54}
EZTK{a54} FLWSECK_TEST-{h32}-X live_{w40} rzp_live_{a24} access-production-{h8}-{h4}-{h12}
access_token$production${l16}${h32} xkeysib-{h64}-{a16} xsmtpsib-{h64}-{a16} re_{a32} md-{w22}
sm_aat_{a24} LTAI{a20} AQVN{w37} dt0c01.{u24}.{u64} ico-{a32} cflt{a60} pscale_tkn_{w43}
pscale_pw_{w43} pscale_oauth_{w43} v1.0-{h24}-{h146} waka_{h8}-{h4}-{h4}-{h12} aio_{a28} p8e-{l32}
cu_{a40} s-s4t2ud-{h64} pat-na1-{h8}-{h4}-{h4}-{h4}-{h12} sk.eyJ{w60}.{w22} pk.eyJ{w60}.{w22}
sl.{w140} 1//0{w60} xoxe.xoxp-1-{a160} xwfp-{a40} EAAM{a150} fm2_{w100} pat{a14}.{h64} SK{h32}
{h32}-us12 {a3}8Q~{w34} https://discord.com/api/webhooks/{d18}/{w68} _gitlab_session={h32}
pat.{w22}.{h24}.{a20} cio{a32} sk_{h48} YCA{w38} t1.9eu{w80}
"""
NAMED = """
adafruit_api_key={w32} ALGOLIA_API_KEY={l32} asana_client_secret={l32} ATLASSIAN_TOKEN={l24}
beamer_token=b_{w44} BITBUCKET_CLIENT_SECRET={w64} bittrex_secret={l32} codecov_token={l32}
COINBASE_ACCESS_TOKEN={w64} confluent_secret_key={l64} contentful_token={w43}
DATADOG_API_KEY={l40} discord_token={h64} droneci_access_token={l32} dropbox_api_secret={l15}7
etsy_api_key={l24} fastly_api_key={w32} finicity_api_token={h32} finnhub_token={l20}
flickr_access_token={l32} gitter_access_token={w40} heroku_api_key={h8}-{h4}-{h4}-{h4}-{h12}
hubspot_token={h8}-{h4}-{h12} intercom_token={w60} kraken_secret={a80}==
kucoin_secret_key={h8}-{h4}-{h4}-{h12} launchdarkly_token={w40} linkedin_secret={a16}
looker_client_secret={l24} mattermost_token={l26} messagebird_api_token={l25} netlify_token={w43}
nytimes_api_key={w32} okta_access_token=00{w40} plaid_secret={l30} rapidapi_api_key={w50}
sendbird_access_token={h40} squarespace_token={h8}-{h4}-{h12} sumologic_access_token={l64}
travisci_token={a22} trello_token={a32} twitch_api_token={l30} twitter_access_secret={a45}
yandex_api_key=AQVN{w37} zendesk_secret={l40} aws_secret_access_key={a40}
azure_storage_AccountKey={a86}== SharedAccessKey={a43}= Authorization:_Bearer_{w40}
postgres://user:{a20}@db.example/x amqp://svc:{a16}@mq:5672/ DEEPGRAM_API_KEY={h40}
ELEVENLABS_API_KEY={h32} cohere_api_key={a40} MISTRAL_API_KEY={a32} snyk_token={h8}-{h4}-{h12}
"""
LETTERS = {
    "a": string.ascii_letters + string.digits,
    "h": "0123456789abcdef",
    "l": string.ascii_lowercase + string.digits,
    "u": "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
    "d": string.digits,
    "w": string.ascii_letters + string.digits + "-_",
}
SHAPES = [*MARKED.split(), *NAMED.split()]


def made(shape: str, chance: random.Random) -> tuple[str, list[str]]:
    """A secret of this shape in its surroundings, and the made-up parts of it."""
    parts: list[str] = []

    def fill(match: re.Match[str]) -> str:
        parts.append("".join(chance.choices(LETTERS[match[1]], k=int(match[2]))))
        return parts[-1]

    return re.sub(r"\{(\w)(\d+)\}", fill, shape).replace("_Bearer_", " Bearer "), parts


def _leaks(redactor: Redactor, seed: int) -> list[str]:
    chance = random.Random(seed)
    leaked: list[str] = []
    for shape in SHAPES:
        text, parts = made(shape, chance)
        longest = max(parts, key=len)
        if longest in redactor.text(f"the line {text} of a log\n"):
            leaked.append(shape)
    return leaked


def test_nearly_every_shape_is_taken_out() -> None:
    assert len(SHAPES) >= 200
    for seed in range(3):
        leaked = _leaks(Redactor(rules=True), seed)
        assert len(leaked) <= 0.05 * len(SHAPES), leaked


def test_without_rules_every_shape_gets_through() -> None:
    assert len(_leaks(Redactor(), 0)) == len(SHAPES)


def test_a_shape_is_taken_out_the_same_wherever_it_is_cut() -> None:
    chance = random.Random(7)
    redactor = Redactor(rules=True)
    for shape in SHAPES:
        text = f"x {made(shape, chance)[0]} y\n"
        whole = redactor.text(text)
        for cut in range(len(text) + 1):
            stream = redactor.stream()
            said = stream.feed(text[:cut]) + stream.feed(text[cut:]) + stream.flush()
            assert said == whole, (shape, cut)
