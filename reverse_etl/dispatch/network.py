"""The way out of this machine: through which proxy, and whose certificates count."""

import base64
import ipaddress
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import unquote
from urllib.request import proxy_bypass_environment

import certifi
from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from reverse_etl.errors import NetworkUnusable

BUNDLES = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
"""Variables that name the certificates of authorities; the first that is set counts."""
PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Proxy:
    """One proxy; its credentials are kept apart from its address."""

    url: str
    """Scheme, host and port."""
    authorization: str | None = field(default=None, repr=False)
    """The value of the header that shows who we are; None where the proxy asks nobody."""


@dataclass(frozen=True)
class Network:
    """What the usual variables say of the network; without them, straight out and certifi."""

    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    """`http`, `https`, `all` and `no`, as in HTTPS_PROXY and NO_PROXY; may hold passwords."""
    ca_variable: str | None = None
    ca_bundle: str | None = None
    """A file or folder of certificates, of PEM; None is the list of Mozilla that certifi has."""

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Read the variables; of `https_proxy` and `HTTPS_PROXY` the former counts, also empty."""
        proxies = {
            # capitals sort first, so that small letters have the last word
            name.lower().removesuffix("_proxy"): env[name]
            for name in sorted(env)
            if name.lower().endswith("_proxy")
        }
        variable = next((name for name in BUNDLES if env.get(name)), None)
        return cls(
            proxies={scheme: address for scheme, address in proxies.items() if address},
            ca_variable=variable,
            ca_bundle=env[variable] if variable else None,
        )

    def proxy_for(self, url: str) -> Proxy | None:
        """Give the proxy that requests to `url` go through; what is on this machine needs none.

        NetworkUnusable where its variable holds no address of a proxy; LocationParseError where
        `url` is none and there is any proxy.
        """
        if not self.proxies:
            return None
        target = parse_url(url)
        scheme = next((name for name in (target.scheme, "all") if name in self.proxies), None)
        if scheme is None or self._is_excepted(target):
            return None
        variable, address = f"{scheme.upper()}_PROXY", _parsed(self.proxies[scheme])
        # without the value: it may hold a password
        if address is None:
            raise NetworkUnusable(
                f"{variable} is not the address of a proxy: write it as http://host:port or "
                "http://user:password@host:port, signs like / and @ of a password as %2F and %40"
            )
        if address.scheme not in PORTS:
            raise NetworkUnusable(
                f"{variable} names a proxy of the kind {address.scheme}, which is not supported: "
                "name one that begins with http:// or https://"
            )
        shown = f"{address.scheme}://{address.host}:{address.port or PORTS[address.scheme]}"
        if not address.auth:
            return Proxy(shown)
        credentials = base64.b64encode(unquote(address.auth).encode()).decode()
        return Proxy(shown, f"Basic {credentials}")

    def trusted(self) -> dict[str, str]:
        """Give the certificates in the words of urllib3.

        NetworkUnusable where the variable names nothing that certificates can be read from.
        """
        if self.ca_bundle is None:
            return {"ca_certs": certifi.where()}
        path = Path(self.ca_bundle).expanduser()
        if path.is_dir():
            return {"ca_cert_dir": str(path)}
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
        except OSError as error:
            raise NetworkUnusable(
                f"{self.ca_variable} names {path}, which holds no certificates that can be read "
                f"({error.strerror or 'not PEM'}): correct the path, or unset the variable"
            ) from error
        return {"ca_certs": str(path)}

    def secrets(self) -> tuple[str, ...]:
        """Give the addresses of proxies that hold a password."""
        return tuple(
            address if "://" in address else f"http://{address}"
            for scheme, address in self.proxies.items()
            if scheme != "no" and "@" in address
        )

    def _is_excepted(self, target: Url) -> bool:
        host = (target.host or "").strip("[]")
        place = f"{target.host}:{target.port or PORTS.get(target.scheme or '')}"
        if host == "localhost" or proxy_bypass_environment(place, self.proxies):
            return True
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        return address.is_loopback or any(
            address in network for network in _networks(self.proxies.get("no", ""))
        )


def _parsed(text: str) -> Url | None:
    """Read the address of a proxy; None where it is none, as with a slash in the password."""
    try:
        address = parse_url(text if "://" in text else f"http://{text}")
    except LocationParseError:
        return None
    is_bare = address.path in (None, "", "/") and not address.query and not address.fragment
    return address if is_bare and address.host else None


def _networks(exceptions: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """Give the addresses and ranges, as in 10.0.0.0/8, that stand among the exceptions."""
    networks = []
    for text in exceptions.split(","):
        try:
            networks.append(ipaddress.ip_network(text.strip().strip("[]"), strict=False))
        except ValueError:
            # a name
            continue
    return networks
