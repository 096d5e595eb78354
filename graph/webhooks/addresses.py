"""Where webhooks may go: public addresses, and networks that the operator allows (no requests into the inside)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import urlsplit

from graph.core.errors import InvalidInput
from graph.core.settings import Network

MAX_URL: Final = 2000
# printable ASCII without blank and backslash, which parsers read differently
_URL_TEXT: Final = re.compile(r"[!-\[\]-~]+")
_NAT64: Final = IPv6Network("64:ff9b::/96")
Address = IPv4Address | IPv6Address


def parse_address(text: str) -> Address | None:
    """Return the address that a text is, None for a name; a zone (`%eth0`) is left out."""
    try:
        return ip_address(text.partition("%")[0])
    except ValueError:
        return None


def _meant(address: Address) -> Iterable[Address]:
    """Yield the addresses that a request would go to: a private one hides well in IPv6."""
    if isinstance(address, IPv4Address):
        yield address
    elif address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    elif address in _NAT64:
        yield IPv4Address(int(address) & 0xFFFFFFFF)
    else:
        yield address
        if address.sixtofour is not None:
            yield address.sixtofour
        if address.teredo is not None:
            yield from address.teredo


def may_reach(address: Address, allowed: Sequence[Network]) -> bool:
    """Tell whether webhooks may go to this address."""
    return all(
        any(each in network for network in allowed if network.version == each.version)
        or (each.is_global and not each.is_multicast and not each.is_reserved)
        for each in _meant(address)
    )


def _host(text: str) -> str | None:
    """Return the host of a URL that a webhook may have, None for any other text."""
    if len(text) > MAX_URL or not _URL_TEXT.fullmatch(text):
        return None
    try:
        url = urlsplit(text)
        sound = url.scheme in {"http", "https"} and "@" not in url.netloc and "#" not in text and url.port != 0
    except ValueError:
        return None
    return url.hostname or None if sound else None


def check_url(text: str, allowed: Sequence[Network]) -> str:
    """Return the URL of a receiver; `InvalidInput` (URL_INVALID, URL_FORBIDDEN). Names are looked up when sending."""
    host = _host(text)
    if host is None:
        raise InvalidInput(
            f"url: give an http or https URL of at most {MAX_URL} ASCII characters without user, password and "
            "fragment, e.g. https://example.org/hooks/karyaksham.",
            code="URL_INVALID",
            path=["url"],
        )
    name = host.rstrip(".").lower()
    local = name == "localhost" or name.endswith(".localhost")
    address = IPv4Address("127.0.0.1") if local else parse_address(name)
    if address is not None and not may_reach(address, allowed):
        raise InvalidInput(refusal(host, address), code="URL_FORBIDDEN", path=["url"])
    return text


def refusal(host: str, address: Address) -> str:
    """Return the sentence for an address that may not be reached."""
    return (
        f"{host} leads to {address}, which is not public. An administrator may allow its network with "
        "WEBHOOK_ALLOWED_NETWORKS."
    )
