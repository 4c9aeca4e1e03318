/* SPDX-License-Identifier: Apache-2.0
 *
 * The objects of a manifest and their members (WA 3.1), in the order in which they are written.
 */
#include "model/decode.h"

const struct fields fields_manifest = {
    "the manifest", {"apiVersion", "kind", "metadata", "spec"}, NULL, DIRECT, true};
const struct fields fields_metadata = {
    "metadata", {"name", "annotations", "labels"}, NULL, DIRECT, false};
const struct fields fields_spec = {"spec", {"components", "policies"}, NULL, DIRECT, false};
const struct fields fields_policy = {
    "a policy", {"name", "properties", "type"}, NULL, DIRECT, false};
const struct fields fields_component = {
    "a component", {"name", "type", "properties", "traits"}, NULL, DIRECT, false};
const struct fields fields_properties = {"component properties",
                                         {"image", "application", "id", "config", "secrets"},
                                         NULL,
                                         BUFFERED,
                                         true};
const struct fields fields_application = {
    "a shared application", {"name", "component"}, NULL, BUFFERED, false};
const struct fields fields_config = {
    "a config entry", {"name", "properties"}, NULL, BUFFERED, true};
const struct fields fields_secret = {"a secret", {"name", "properties"}, NULL, BUFFERED, false};
const struct fields fields_source = {
    "a secret's source", {"policy", "key", "field", "version"}, NULL, BUFFERED, false};
const struct fields fields_trait = {"a trait", {"type", "properties"}, NULL, DIRECT, true};
const struct fields fields_link = {"a link",
                                   {"namespace", "package", "interfaces", "source", "target",
                                    "name", "source_config", "target_config"},
                                   NULL,
                                   TREE,
                                   false};
const struct fields fields_link_target = {
    "a link's target", {"name", "config", "secrets"}, NULL, TREE, false};
const struct fields fields_link_source = {
    "a link's source", {"config", "secrets"}, NULL, TREE, false};
const struct fields fields_scaler = {
    "a scaler", {"instances", "spread"}, "replicas", BUFFERED, true};
const struct fields fields_spread = {
    "a spread", {"name", "requirements", "weight"}, NULL, BUFFERED, true};

int fields_find(const struct fields *fs, str key) {
    for (int i = 0; i < FIELDS_MAX && fs->names[i]; i++) {
        if (str_is(key, fs->names[i])) {
            return i;
        }
    }
    return fs->alias && str_is(key, fs->alias) ? 0 : -1;
}
