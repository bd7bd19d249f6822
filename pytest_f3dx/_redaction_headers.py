"""Which headers are kept: requests by an allow-list, responses by a deny-list."""

# ruff: noqa: E501 - the tables of names read best in groups
from __future__ import annotations

import re

from pytest_f3dx._redaction_names import field_meaning

# What changes the meaning of the answer. Everything else is a credential, telemetry or transport.
_REQUEST_KEPT = re.compile(
    r"""content-type | content-encoding | content-disposition | accept | accept-language | range | prefer | soapaction
      | if-(?:none-)?match | if-(?:un)?modified-since | if-range | x-http-method-override | x-amz-target
      | x-amzn-bedrock-(?!trace-id).* | x-goog-upload-(?:command|offset|protocol) | x-goog-fieldmask
      | (?!x-stainless-|x-fern-).*?(?<!sdk-)(?<!runtime-)(?<!package-)(?<!client-)(?<!library-)version
      | (?:.*-)?betas?
    """,
    re.VERBOSE,
)
# What is of one moment, one machine or one account, or speaks to browsers and caches only.
_RESPONSE_DROPPED = re.compile(
    r"""date | age | expires | server | server-timing | via | pragma | x-powered-by | x-moz | warning
      | connection | keep-alive | proxy-connection | transfer-encoding | content-length | trailer | upgrade
      | alt-svc | nel | report-to | reporting-endpoints | expect-ct | strict-transport-security | origin-agent-cluster
      | content-security-policy(?:-report-only)? | permissions-policy | feature-policy | referrer-policy | p3p
      | x-(?:frame-options|xss-protection|content-type-options|robots-tag|download-options|ua-compatible)
      | x-(?:permitted-cross-domain-policies|dns-prefetch-control) | cross-origin-.* | access-control-.*
      | timing-allow-origin | accept-ch | critical-ch
      | cf-.* | cdn-.* | x-cdn.* | x-cache.* | x-served-by | x-timer | x-amz-cf-.* | x-amz-id-2 | x-fastly-.* | akamai-.*
      | x-akamai-.* | x-vercel-.* | x-nf-.* | fly-.* | rndr-id | x-render-.* | x-railway-.* | x-azure-ref | x-msedge-ref
      | x-envoy-.* | x-kong-.* | x-openai-proxy-wasm | x-accel-.* | x-goog-upload-header-.* | x-goog-hash | x-guploader-.*
      | x-cloud-trace-context | x-ms-(?:region|deployment-name) | azureml-.* | x-hetzner-.*
      | (?:.*-)?(?:rate-?limits?|rate-?limit-.*|ratelimit-.*) | x-rate-?limit.*
      | (?:.*-)?(?:request|correlation|trace|transaction|invocation|activity|span|operation-request)-?id
      | (?:.*-)?requestid | x-request-(?:time|start|duration) | (?:.*-)?client-request-id
      | traceparent | tracestate | traceresponse | baggage | b3 | x-b3-.* | x-amzn-(?:trace-id|actiontrace) | x-datadog-.*
      | (?:.*-)?(?:organi[sz]ation|project|account|tenant|workspace|user)(?:-id)?
      | (?:.*-)?(?:processing-ms|response-time|runtime|runtime-rack|latency|upstream-latency|proxy-latency|service-time)
      | (?:.*-)?(?:processing|compute|inference|queue|total|elapsed)-time(?:-ms)? | source-age | x-compute-.*
    """,
    re.VERBOSE,
)
_CREDENTIALS = frozenset(
    "authorization proxy-authorization cookie set-cookie x-api-key api-key apikey x-goog-api-key x-auth-key x-auth-token "
    "x-subject-token x-amz-security-token x-amz-credential dd-api-key dd-application-key ocp-apim-subscription-key "
    "x-functions-key x-access-token x-csrf-token x-xsrf-token x-vault-token private-token job-token x-auth "
    "x-goog-iam-authorization-token x-rapidapi-key x-subscription-token xi-api-key x-figma-token authentication".split()
)
# They come with every answer of a content delivery network, anew each time, and no client needs them.
_NETWORK_COOKIES = re.compile(
    r"__cf.*|_cfuvid|cf_.*|awsalb.*|visid_incap_.*|incap_ses_.*|nlbi_.*|ak_bmsc|bm_[a-z]+|_abck|arraffinity.*"
    r"|gclb|edgebucket|datadome|_dd_s|ts[0-9a-f]{8,}",
    re.IGNORECASE,
)


def is_kept_request_header(name: str) -> bool:
    """Tell whether a request header changes the meaning of the answer; the name is lower case."""
    return _REQUEST_KEPT.fullmatch(name) is not None


def is_dropped_response_header(name: str) -> bool:
    """Tell whether a response header is noise or tells who asked; the name is lower case."""
    return _RESPONSE_DROPPED.fullmatch(name) is not None


def is_credential_header(name: str) -> bool:
    """Tell whether a header's value is a secret; the name is lower case."""
    return name in _CREDENTIALS or field_meaning(name) is not None


def is_network_cookie(name: str) -> bool:
    """Tell a cookie of a load balancer or delivery network from one of the application."""
    return _NETWORK_COOKIES.fullmatch(name) is not None
