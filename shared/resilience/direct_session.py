"""requests' session without what none of our calls uses: half of a call's time goes there.

For each call requests gathers proxies, certificates and .netrc of the environment, cookies, hooks
and a chain of redirects. Our doors want none of them. A call that does takes the whole way.
"""

from __future__ import annotations

from typing import Any

import requests
from requests.cookies import extract_cookies_to_jar
from requests.hooks import default_hooks
from requests.structures import CaseInsensitiveDict

_PLAIN = frozenset({"params", "json", "headers", "timeout", "allow_redirects"})


class DirectSession(requests.Session):
    """Prepares a request with requests' own steps and hands it to the adapter at once."""

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
        reply = self.get_adapter(url).send(
            prepared,
            timeout=options.get("timeout"),
            verify=True if self.verify is None else self.verify,
            cert=self.cert,
            proxies={},
        )
        if "set-cookie" in reply.headers:
            extract_cookies_to_jar(  # type: ignore[no-untyped-call]
                self.cookies, prepared, reply.raw
            )
        return reply

    def _prepared(self, method: str, url: str, options: dict[str, Any]) -> requests.PreparedRequest:
        headers = CaseInsensitiveDict(self.headers)
        headers.update(options.get("headers") or {})
        prepared = requests.PreparedRequest()
        prepared.prepare_method(method)
        prepared.prepare_url(url, options.get("params"))
        prepared.prepare_headers(headers)
        prepared.prepare_body(None, None, options.get("json"))
        prepared.hooks = default_hooks()
        return prepared
