# What a server has to allow for the example beside this file. `data` is needed; the others make check,
# list and watch work without reading values. Leave create and update out for a backend that only reads.
path "secret/data/trellis/*" {
  capabilities = ["read", "create", "update"]
}
path "secret/metadata/trellis/*" {
  capabilities = ["read", "list"]
}
path "secret/metadata/trellis" {
  capabilities = ["list"]
}
path "secret/subkeys/trellis/*" {
  capabilities = ["read"]
}
# The built-in policy "default", which logins attach unless told otherwise, allows these:
#   auth/token/lookup-self, auth/token/renew-self, sys/capabilities-self
