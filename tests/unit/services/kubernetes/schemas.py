"""Strict JSON Schemas of the custom resources that the manifests use, with only the fields that they use.

No package has the schemas of these resources. The fields are from the custom resource definitions of KEDA 2, of the
Gateway API 1 (standard channel), of the Prometheus Operator, and of NGINX Gateway Fabric 2.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

NAME: Schema = {"type": "string", "pattern": r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"}
DURATION: Schema = {"type": "string", "pattern": r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"}
PORT: Schema = {"type": "integer", "minimum": 1, "maximum": 65535}


def an_object(required: Schema, optional: Schema | None = None) -> Schema:
    """Return the schema of an object that has these properties and no other ones."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(required),
        "properties": {**required, **(optional or {})},
    }


def a_list_of(items: Schema) -> Schema:
    """Return the schema of a list that is not empty."""
    return {"type": "array", "minItems": 1, "items": items}


def a_resource(version: str, kind: str, spec: Schema) -> Schema:
    """Return the schema of a resource with a specification."""
    return an_object(
        {"apiVersion": {"const": version}, "kind": {"const": kind}, "metadata": {"type": "object"}, "spec": spec}
    )


SCALED_OBJECT: Schema = {
    "type": "object",
    "additionalProperties": False,
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "apiVersion": {"const": "keda.sh/v1alpha1"},
        "kind": {"const": "ScaledObject"},
        "metadata": {"type": "object"},
        "spec": {
            "type": "object",
            "additionalProperties": False,
            "required": ["scaleTargetRef", "triggers"],
            "properties": {
                "scaleTargetRef": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["name"],
                    "properties": {"name": {"type": "string"}},
                },
                "minReplicaCount": {"type": "integer", "minimum": 0},
                "maxReplicaCount": {"type": "integer", "minimum": 1},
                "pollingInterval": {"type": "integer", "minimum": 1},
                "fallback": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["failureThreshold", "replicas"],
                    "properties": {"failureThreshold": {"type": "integer"}, "replicas": {"type": "integer"}},
                },
                "advanced": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "horizontalPodAutoscalerConfig": {
                            "type": "object",
                            "additionalProperties": False,
                            "properties": {
                                "behavior": {"type": "object"}
                            },  # Kubernetes' own: checked as such by the test
                        }
                    },
                },
                "triggers": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "additionalProperties": False,
                        "required": ["type", "metadata"],
                        "properties": {
                            "type": {"const": "prometheus"},
                            "metricType": {"enum": ["AverageValue", "Value"]},  # `Utilization` is for CPU and memory
                            "metadata": {
                                "type": "object",
                                "additionalProperties": False,
                                "required": ["serverAddress", "query", "threshold"],
                                "properties": {
                                    "serverAddress": {"type": "string", "pattern": "^https?://"},
                                    "query": {"type": "string"},
                                    "threshold": {"type": "string", "pattern": r"^\d+(\.\d+)?$"},
                                },
                            },
                        },
                    },
                },
            },
        },
    },
}

HTTP_ROUTE = a_resource(
    "gateway.networking.k8s.io/v1",
    "HTTPRoute",
    an_object(
        {
            "parentRefs": a_list_of(an_object({"name": NAME}, {"namespace": NAME, "sectionName": NAME})),
            "hostnames": a_list_of(NAME),
            "rules": a_list_of(
                an_object(
                    {},
                    {
                        "matches": a_list_of(
                            an_object(
                                {
                                    "path": an_object(
                                        {
                                            "type": {"enum": ["Exact", "PathPrefix", "RegularExpression"]},
                                            "value": {"type": "string", "pattern": "^/"},
                                        }
                                    )
                                }
                            )
                        ),
                        "timeouts": an_object({}, {"request": DURATION, "backendRequest": DURATION}),
                        "backendRefs": a_list_of(an_object({"name": NAME, "port": PORT})),
                        "filters": a_list_of(
                            an_object(
                                {
                                    "type": {"const": "RequestRedirect"},
                                    "requestRedirect": an_object(
                                        {
                                            "scheme": {"enum": ["http", "https"]},
                                            "statusCode": {"enum": [301, 302, 303, 307, 308]},
                                        }
                                    ),
                                }
                            )
                        ),
                    },
                )
            ),
        }
    ),
)

GATEWAY = a_resource(
    "gateway.networking.k8s.io/v1",
    "Gateway",
    an_object(
        {
            "gatewayClassName": NAME,
            "listeners": a_list_of(
                an_object(
                    {"name": NAME, "protocol": {"enum": ["HTTP", "HTTPS"]}, "port": PORT},
                    {
                        "hostname": NAME,
                        "tls": an_object(
                            {"mode": {"const": "Terminate"}, "certificateRefs": a_list_of(an_object({"name": NAME}))}
                        ),
                        "allowedRoutes": an_object(
                            {
                                "namespaces": an_object(
                                    {"from": {"enum": ["All", "Same", "Selector"]}},
                                    {"selector": an_object({"matchLabels": {"type": "object"}})},
                                )
                            }
                        ),
                    },
                )
            ),
        }
    ),
)

SERVICE_MONITOR = a_resource(
    "monitoring.coreos.com/v1",
    "ServiceMonitor",
    an_object(
        {
            "selector": an_object({"matchLabels": {"type": "object"}}),
            "endpoints": a_list_of(
                an_object(
                    {"port": NAME, "path": {"type": "string", "pattern": "^/"}, "interval": DURATION},
                    {
                        "authorization": an_object(
                            {
                                "type": {"const": "Bearer"},
                                "credentials": an_object({"name": NAME, "key": {"type": "string"}}),
                            }
                        )
                    },
                )
            ),
        },
        {"jobLabel": {"type": "string"}},
    ),
)

RULE: Schema = {
    "oneOf": [
        an_object({"record": {"type": "string"}, "expr": {"type": "string"}}, {"labels": {"type": "object"}}),
        an_object(
            {"alert": {"type": "string"}, "expr": {"type": "string"}},
            {"for": DURATION, "labels": {"type": "object"}, "annotations": {"type": "object"}},
        ),
    ]
}

PROMETHEUS_RULE = a_resource(
    "monitoring.coreos.com/v1",
    "PrometheusRule",
    an_object({"groups": a_list_of(an_object({"name": {"type": "string"}, "rules": a_list_of(RULE)}))}),
)

CLIENT_SETTINGS_POLICY = a_resource(
    "gateway.nginx.org/v1alpha1",
    "ClientSettingsPolicy",
    an_object(
        {
            "targetRef": an_object(
                {
                    "group": {"const": "gateway.networking.k8s.io"},
                    "kind": {"enum": ["Gateway", "HTTPRoute", "GRPCRoute"]},
                    "name": NAME,
                }
            ),
            "body": an_object(
                {
                    "maxSize": {"type": "string", "pattern": r"^\d{1,4}(k|m|g)?$"},
                    "timeout": {"type": "string", "pattern": r"^[0-9]{1,4}(ms|s|m|h)?$"},
                }
            ),
        }
    ),
)

CUSTOM: dict[str, Schema] = {
    schema["properties"]["kind"]["const"]: schema
    for schema in (SCALED_OBJECT, HTTP_ROUTE, GATEWAY, SERVICE_MONITOR, PROMETHEUS_RULE, CLIENT_SETTINGS_POLICY)
}
