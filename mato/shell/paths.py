"""What the letters of a path say: outside, secret, or able to make programs run."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

_SECRET = re.compile(
    r"(?:\.env(?:rc|\..*)?|\.netrc|\.npmrc|\.pypirc|\.pgpass|\.htpasswd|\.git-credentials"
    r"|\.(?:ssh|aws|gnupg|kube|docker|azure)|id_(?:rsa|dsa|ecdsa|ed25519).*"
    r"|\.vault-token|\.boto|\.s3cfg|\.my\.cnf|\.\w+_history|kubeconfig|service[-_]?account.*\.json"
    r"|.*\.(?:pem|key|p12|pfx|kdbx|keystore|jks|ppk|tfstate)|.*(?:credential|secret|passwd|password).*|shadow)",
    re.IGNORECASE,
)
_EXAMPLE = re.compile(r".*\.(?:example|sample|template|dist|py|ts|js|rs|go|md)$", re.IGNORECASE)
_TYPICAL = (
    ".env", ".envrc", ".netrc", ".npmrc", ".pypirc", ".pgpass", ".git-credentials", ".ssh", ".aws",
    ".gnupg", ".kube", ".docker", ".azure", "id_rsa", "id_ed25519", "credentials", "secrets",
)  # fmt: skip
_BEGINNING = re.compile(r"(?:\.|[a-z]\w)[^*?\[]*[*?\[]")
"""A glob that says how the name begins: `*` alone is about everything."""
_PROTECTED = frozenset((
    ".git", ".envrc", ".mcp.json", ".vscode", ".idea", ".zed", ".claude", ".cursor", ".codex",
    ".gemini", ".windsurf", ".opencode", ".vibe", ".qwen", ".continue", ".agents", ".mato",
    ".husky", ".devcontainer", ".bashrc", ".profile", ".gitmodules", ".gitattributes",
    ".lfsconfig", ".pre-commit-config.yaml", ".cursorrules", ".windsurfrules", ".clinerules",
    ".aider.conf.yml", "opencode.json", "agents.md", "agent.md", "agents.override.md",
    "claude.md", "claude.local.md", "gemini.md", "qwen.md",
))  # fmt: skip


def secret(path: str) -> bool:
    """Whether a path has a name that secrets are kept under."""
    return any(
        _SECRET.fullmatch(part) is not None and _EXAMPLE.match(part) is None
        for part in path.split("/")
    )


def named(glob: str) -> bool:
    """Whether a path, or a glob for paths, says by its letters that secrets are meant."""
    return secret(glob) or any(
        _BEGINNING.match(part) is not None and any(fnmatchcase(each, part) for each in _TYPICAL)
        for part in glob.lower().split("/")
    )


def outside(path: str) -> bool:
    """Whether a path can leave the folder it starts in, as far as its letters say."""
    return path.startswith(("/", "~")) or ".." in path.split("/")


def protected(path: str) -> bool:
    """Whether a file of that name can make programs run, or instruct agents."""
    return any(part.lower() in _PROTECTED for part in path.split("/"))
