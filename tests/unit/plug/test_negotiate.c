/* SPDX-License-Identifier: Apache-2.0 */
#include "../cmocka_all.h"

#include "base/mem.h"
#include "plug/negotiate.h"

static void f_op(trl_inst *in, trl_op *op) {
    (void)in;
    (void)op;
}
static trl_status f_create(const trl_host *h, trl_str c, trl_inst **out, trl_err *err) {
    (void)h;
    (void)c;
    (void)out;
    (void)err;
    return TRL_OK;
}
static void f_destroy(trl_inst *in) {
    (void)in;
}
static const void *f_iface(trl_inst *in, const char *id) {
    (void)in;
    (void)id;
    return NULL;
}
static void f_get(trl_inst *in, trl_op *op, trl_str k) {
    (void)in;
    (void)op;
    (void)k;
}
static void f_put(trl_inst *in, trl_op *op, const trl_put *p) {
    (void)in;
    (void)op;
    (void)p;
}
static void f_del(trl_inst *in, trl_op *op, trl_str k, uint64_t r) {
    (void)in;
    (void)op;
    (void)k;
    (void)r;
}
static void f_batch(trl_inst *in, trl_op *op, const void *p, uint32_t n, uint32_t s) {
    (void)in;
    (void)op;
    (void)p;
    (void)n;
    (void)s;
}
static void f_list(trl_inst *in, trl_op *op, trl_str p, trl_str a, uint32_t n) {
    (void)in;
    (void)op;
    (void)p;
    (void)a;
    (void)n;
}
static void f_watch(trl_inst *in, trl_op *op, trl_str p, uint64_t r) {
    (void)in;
    (void)op;
    (void)p;
    (void)r;
}

static trl_store_v1 full_store(void) {
    return (trl_store_v1){sizeof(trl_store_v1),
                          TRL_S_ACKED,
                          f_get,
                          f_put,
                          f_del,
                          f_batch,
                          f_list,
                          f_watch,
                          f_op,
                          f_op,
                          f_op};
}

static const trl_component *const no_components[] = {NULL};
static trl_plugin full_plugin(void) {
    return (trl_plugin){
        TRL_MAGIC, sizeof(trl_plugin), TRL_ABI_MAJOR, TRL_ABI_MINOR, 0, 0, "a.b", "1.0", NULL,
        NULL,      no_components};
}
static struct note_info full_note(void) {
    return (struct note_info){STR("a.b"), STR("1.0"), TRL_ABI_MAJOR, TRL_ABI_MINOR, 0};
}

static void expect_plugin(const trl_plugin *p, const struct note_info *n, const char *text) {
    struct err err = ERR_INIT;
    trl_plugin ret;
    assert_true(negotiate_plugin("x.so", n, p, &ret, &err) < 0);
    if (!strstr(err.msg, text) || strncmp(err.msg, "x.so: ", 6) != 0) {
        fail_msg("'%s' lacks '%s'", err.msg, text);
    }
}

static void descriptors(void **state) {
    (void)state;
    struct note_info n = full_note();
    trl_plugin p = full_plugin(), ret;
    assert_int_equal(negotiate_plugin("x.so", &n, &p, &ret, NULL), 0);
    assert_string_equal(ret.licence, "");
    expect_plugin(NULL, &n, "refuses plugin ABI");
    p.magic = 1;
    expect_plugin(&p, &n, "descriptor begins with 00000001");
    p = full_plugin();
    p.struct_size = 16;
    expect_plugin(&p, &n, "says it has 16 bytes");
    p.struct_size = 1u << 30;
    expect_plugin(&p, &n, "says it has 1073741824 bytes");
    p = full_plugin();
    p.abi_major = 7;
    expect_plugin(&p, &n, "built for plugin ABI 7");
    p = full_plugin();
    p.abi_minor_needed = TRL_ABI_MINOR + 1;
    expect_plugin(&p, &n, "use a newer trellis");
    p = full_plugin();
    p.abi_minor_built = TRL_ABI_MINOR + 5; /* built with newer headers, satisfied with ours */
    n.abi_minor_built = p.abi_minor_built;
    assert_int_equal(negotiate_plugin("x.so", &n, &p, &ret, NULL), 0);
    n = full_note();
    expect_plugin(&p, &n, "disagree about 'abi'");
    p = full_plugin();
    n.id = STR("other");
    expect_plugin(&p, &n, "disagree about 'id'");
    n = full_note();
    n.version = STR("1.1");
    expect_plugin(&p, &n, "disagree about 'version'");
    p.version = NULL;
    expect_plugin(&p, &n, "lacks id, version or components");
}

static void notes(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    struct note_info n = full_note();
    assert_int_equal(negotiate_note("x.so", &n, &err), 0);
    n.abi_major = TRL_ABI_MAJOR + 1;
    assert_int_equal(negotiate_note("x.so", &n, &err), TRL_E_UNSUPP);
    assert_non_null(strstr(err.msg, "rebuild the plugin"));
    n = full_note();
    n.abi_minor_needed = TRL_ABI_MINOR + 1;
    assert_int_equal(negotiate_note("x.so", &n, &err), TRL_E_UNSUPP);
}

static trl_component full_component(void) {
    return (trl_component){.struct_size = sizeof(trl_component),
                           .iface = TRL_KIND_STORE,
                           .name = "s",
                           .create = f_create,
                           .destroy = f_destroy,
                           .get_interface = f_iface};
}

static void expect_component(const trl_component *c, const char *text) {
    struct err err = ERR_INIT;
    trl_component ret;
    assert_true(negotiate_component("x.so", c, &ret, &err) < 0);
    if (!strstr(err.msg, text)) {
        fail_msg("'%s' lacks '%s'", err.msg, text);
    }
}

static void components(void **state) {
    (void)state;
    trl_component c = full_component(), ret;
    assert_int_equal(negotiate_component("x.so", &c, &ret, NULL), 0);
    assert_string_equal(ret.summary, "");
    c.struct_size = 20;
    expect_component(&c, "at least");
    c = full_component();
    c.name = NULL;
    expect_component(&c, "lacks iface or name");
    c = full_component();
    c.create = NULL;
    expect_component(&c, "lacks the function 'create'");
    c = full_component();
    c.destroy = NULL;
    expect_component(&c, "lacks the function 'destroy'");
    c = full_component();
    c.get_interface = NULL;
    expect_component(&c, "lacks the function 'get_interface'");
    c = full_component();
    c.thread_model = 3;
    expect_component(&c, "has thread model 3");
    c = full_component();
    c.thread_model = TRL_PARALLEL;
    assert_int_equal(negotiate_component("x.so", &c, &ret, NULL), 0);
    c.iface = TRL_KIND_TRANSPORT;
    expect_component(&c, "TRL_PARALLEL, which this kind does not allow");
    c.thread_model = TRL_SERIAL;
    assert_int_equal(negotiate_component("x.so", &c, &ret, NULL), 0);
    c.iface = TRL_KIND_SCALER;
    expect_component(&c, "TRL_SERIAL, which this kind does not allow");
    c.iface = "gadget/1"; /* not ours to judge; it is never created */
    assert_int_equal(negotiate_component("x.so", &c, &ret, NULL), 0);
}

static void tables_of_any_age(void **state) {
    (void)state;
    const struct kind_info *k = kind_find(TRL_KIND_STORE);
    struct {
        trl_store_v1 v1;
        void *future[4];
    } big = {full_store(), {(void *)1, (void *)2, NULL, NULL}};
    trl_store_v1 ret;
    big.v1.struct_size = sizeof(big);
    assert_int_equal(negotiate_table("x", k, &big, &ret, NULL), 0);
    assert_int_equal(ret.struct_size, sizeof(ret));
    assert_int_equal(ret.flags, TRL_S_ACKED);
    assert_true(ret.info == f_op);
    for (uint32_t size = 0; size <= sizeof(trl_store_v1); size++) {
        trl_store_v1 *exact = mem_alloc(size < 8 ? 8 : size);
        trl_store_v1 t = full_store();
        struct err err = ERR_INIT;
        t.struct_size = size;
        memcpy(exact, &t, size < 8 ? 8 : size);
        int rc = negotiate_table("x", k, exact, &ret, &err);
        if (size < offsetof(trl_store_v1, info)) {
            assert_true(rc < 0);
            assert_non_null(strstr(err.msg, size < 8 ? "says it has" : "lacks the function"));
        } else {
            assert_int_equal(rc, 0);
            assert_true(size == sizeof(ret) ? ret.info == f_op : ret.info == NULL);
        }
        mem_free(exact);
    }
    struct err err = ERR_INIT;
    assert_true(negotiate_table("x", k, NULL, &ret, &err) < 0);
    assert_non_null(strstr(err.msg, "gives nothing"));
}

static void kinds(void **state) {
    (void)state;
    struct err err = ERR_INIT;
    trl_store_v1 t = full_store();
    const struct kind_info *k = kind_need(TRL_KIND_STORE, &err);
    assert_non_null(k);
    assert_true(kind_cancel(k, &t) == f_op);
    assert_true(kind_resume(k, &t) == f_op);
    assert_null(kind_cancel(kind_find(TRL_KIND_SCALER), &t));
    assert_non_null(kind_need(TRL_KIND_EXTENSION, &err));
    assert_null(kind_need("store/2", &err));
    assert_non_null(strstr(err.msg, "unknown plugin kind 'store/2'"));
    assert_null(kind_need(NULL, &err));
}

static void request_structs(void **state) {
    (void)state;
    struct {
        trl_msg m;
        uint64_t future[2];
    } big = {{.subject = STR("a"), .seq = 4}, {0, 0}};
    trl_msg ret;
    big.m.struct_size = sizeof(big);
    assert_int_equal(negotiate_request(&ret, sizeof(ret), &big), TRL_OK);
    assert_int_equal(ret.seq, 4);
    assert_int_equal(ret.struct_size, sizeof(ret));
    big.future[1] = 1;
    assert_int_equal(negotiate_request(&ret, sizeof(ret), &big), TRL_E_UNSUPP);
    big.m.struct_size = offsetof(trl_msg, seq); /* an older one: what it lacks is zero */
    assert_int_equal(negotiate_request(&ret, sizeof(ret), &big), TRL_OK);
    assert_int_equal(ret.seq, 0);
    big.m.struct_size = 3;
    assert_int_equal(negotiate_request(&ret, sizeof(ret), &big), TRL_E_INVALID);
    assert_int_equal(negotiate_request(&ret, sizeof(ret), NULL), TRL_E_INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(descriptors), cmocka_unit_test(notes),
        cmocka_unit_test(components),  cmocka_unit_test(tables_of_any_age),
        cmocka_unit_test(kinds),       cmocka_unit_test(request_structs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
