# Rules for Trellis: images have a version and come from our registry, the production zone is for
# applications that are signed off, and an application reads secrets of its own only.
# Ask data.trellis.decision; data.trellis.batch for many subjects at once.
package trellis

registry := "ghcr.io/acme/"

signed_off := {"shop", "billing"}

default decision := {"verdict": "allow", "ttl_ms": -1}

decision := {"verdict": "deny", "reasons": objections} if count(objections) > 0

decision := {"verdict": "warn", "reasons": remarks} if {
	count(objections) == 0
	count(remarks) > 0
}

# The result has one decision per subject, in order, because every subject has one.
batch := [d | some subject in input; d := decision with input as subject]

# put, deploy: all units with their place in the manifest
images contains {"image": u.image, "path": u.path} if some u in input.units

# place, host: one unit
images contains {"image": input.unit.image, "path": ""} if input.unit.image

objections contains {
	"code": "image-version",
	"text": sprintf("image %s has no version", [i.image]),
	"path": i.path,
	"remedy": "name a version or a digest",
} if {
	some i in images
	not regex.match(`(:[^/:]+|@sha256:[0-9a-f]{64})$`, i.image)
}

objections contains {
	"code": "image-version",
	"text": sprintf("image %s may be another one tomorrow", [i.image]),
	"path": i.path,
	"remedy": "name a version or a digest",
} if {
	some i in images
	endswith(i.image, ":latest")
}

objections contains {
	"code": "zone",
	"text": sprintf("application %s is not signed off for zone prod", [input.app]),
	"remedy": "ask for the sign-off, or spread over other zones",
} if {
	input.point == "place"
	input.host.labels.zone == "prod"
	not input.app in signed_off
}

objections contains {
	"code": "secret",
	"text": sprintf("application %s reads a secret of another: %s", [input.app, input.secret.key]),
} if {
	input.point == "secret"
	not startswith(input.secret.key, sprintf("%s/", [input.app]))
}

remarks contains {
	"code": "registry",
	"text": sprintf("image %s does not come from %s", [i.image, registry]),
	"path": i.path,
} if {
	some i in images
	not startswith(i.image, registry)
}
