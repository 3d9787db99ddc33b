"""requests' session without what none of our calls uses: half of a call's time goes there.

For each call requests gathers proxies, certificates and .netrc of the environment, cookies, hooks
and a chain of redirects. Our doors want none of them. A call that does takes the whole way.
"""

from __future__ import annotations

from collections.abc import Mapping
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.cookies import RequestsCookieJar
from requests.hooks import default_hooks
from requests.structures import CaseInsensitiveDict

from shared.resilience.alongside import address_of

_PLAIN = frozenset({"params", "json", "headers", "timeout", "allow_redirects"})


class DirectSession(requests.Session):
    """Prepares a request with requests' own steps and hands it to the adapter at once. Cookies are
    never kept: whoever sets them without end would fill our memory and each request after it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.cookies = RequestsCookieJar(DefaultCookiePolicy(allowed_domains=()))

    def request(  # type: ignore[override]  # the vendor's client passes every option by its name
        self, method: str, url: str, **options: Any
    ) -> requests.Response:
        """Send one request; raises as requests does."""
        follows = options.get("allow_redirects", True)
        own_ways = self.trust_env or self.cookies or self.auth or self.params or self.proxies
        is_watched = any(self.hooks.values())
        if follows or own_ways or is_watched or not options.keys() <= _PLAIN:
            return super().request(method, url, **options)
        prepared = self._prepared(method, url, options)
        return self.get_adapter(url).send(
            prepared,
            timeout=options.get("timeout"),
            verify=True if self.verify is None else self.verify,
            cert=self.cert,
            proxies={},
        )

    def _prepared(self, method: str, url: str, options: dict[str, Any]) -> requests.PreparedRequest:
        headers = CaseInsensitiveDict(self.headers)
        headers.update(options.get("headers") or {})
        prepared = requests.PreparedRequest()
        prepared.prepare_method(method)
        query = options.get("params")
        if query is None or isinstance(query, Mapping):
            # The same few addresses again and again: what requests makes of them is remembered.
            prepared.url = address_of(url, query)
        else:
            prepared.prepare_url(url, query)
        prepared.prepare_headers(headers)
        prepared.prepare_body(None, None, options.get("json"))
        prepared.hooks = default_hooks()
        return prepared
