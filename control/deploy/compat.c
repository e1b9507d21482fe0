#include "control/deploy/compat.h"

#include <stdio.h>
#include <string.h>

#include "control/base/spelling.h"

/* clang-format off */
static const char *const node[] = {
    "no_nodejs_als",
    "no_nodejs_compat",
    "no_nodejs_compat_v2",
    "nodejs_als",
    "nodejs_compat",
    "nodejs_compat_do_not_populate_process_env",
    "nodejs_compat_populate_process_env",
    "nodejs_compat_v2",
    NULL,
};

static const char *const has[] = {
    "allow_importable_env",
    "blob_standard_mime_type",
    "capture_async_api_throws",
    "disable_global_performance_classes",
    "disable_navigator_language",
    "disallow_eval_during_startup",
    "dont_substitute_null_on_type_error",
    "enable_request_signal",
    "enable_weak_ref",
    "fetch_standard_url",
    "fetcher_no_get_put_delete",
    "fixup-transform-stream-backpressure",
    "formdata_parser_supports_files",
    "global_navigator",
    "http_headers_getsetcookie",
    "internal_stream_byob_return_view",
    "internal_writable_stream_abort_clears_queue",
    "no_expose_global_message_channel",
    "no_global_importscripts",
    "no_request_signal_passthrough",
    "no_rpc",
    "response_redirect_url_standard",
    "set_event_target_this",
    "set_tostring_tag",
    "streams_byob_reader_detaches_buffer",
    "streams_enable_constructors",
    "transformstream_enable_standard_constructor",
    "unwrap_custom_thenables",
    "url_standard",
    "urlsearchparams_delete_has_value_arg",
    "workers_api_getters_setters_on_prototype",
    NULL,
};

static const char *const lacks[] = {
    "allow_eval_during_startup",
    "allow_insecure_inefficient_logged_eval",
    "blob_legacy_mime_type",
    "disable_request_signal",
    "disable_weak_ref",
    "disallow_importable_env",
    "do_not_capture_async_api_throws",
    "do_not_set_tostring_tag",
    "enable_global_performance_classes",
    "enable_navigator_language",
    "experimental",
    "expose_global_message_channel",
    "fetch_legacy_url",
    "fetcher_has_get_put_delete",
    "formdata_parser_converts_files_to_strings",
    "global_importscripts",
    "internal_stream_byob_return_undefined",
    "internal_writable_stream_abort_does_not_clear_queue",
    "js_rpc",
    "new_module_registry",
    "no_global_navigator",
    "no_http_headers_getsetcookie",
    "no_set_event_target_this",
    "no_unwrap_custom_thenables",
    "no_urlsearchparams_delete_has_value_arg",
    "nonclass_entrypoint_reuses_ctx_across_invocations",
    "original-transform-stream-backpressure",
    "python_workers",
    "request_signal_passthrough",
    "response_redirect_url_original",
    "rpc",
    "streams_byob_reader_does_not_detach_buffer",
    "streams_disable_constructors",
    "substitute_null_on_type_error",
    "transformstream_disable_standard_constructor",
    "url_original",
    "workers_api_getters_setters_on_instance",
    NULL,
};

static const char *const foreign[] = {
    "add_nodejs_compat_eol",
    "add_nodejs_compat_eol_v22",
    "add_nodejs_compat_eol_v23",
    "add_nodejs_compat_eol_v24",
    "allow_custom_ports",
    "assets_navigation_has_no_effect",
    "assets_navigation_prefers_asset_serving",
    "bind_asynclocalstorage_snapshot_to_request",
    "brotli_content_encoding",
    "cache_api_compat_flags",
    "cache_api_request_cf_overrides_cache_rules",
    "cache_no_cache_disabled",
    "cache_no_cache_enabled",
    "cache_option_disabled",
    "cache_option_enabled",
    "cf_botmanagement_default",
    "cots_on_external_fetch",
    "crypto_preserve_public_exponent",
    "disable_nodejs_child_process_module",
    "disable_nodejs_cluster_module",
    "disable_nodejs_console_module",
    "disable_nodejs_dgram_module",
    "disable_nodejs_domain_module",
    "disable_nodejs_fs_module",
    "disable_nodejs_http2_module",
    "disable_nodejs_http_modules",
    "disable_nodejs_http_server_modules",
    "disable_nodejs_inspector_module",
    "disable_nodejs_os_module",
    "disable_nodejs_perf_hooks_module",
    "disable_nodejs_process_v2",
    "disable_nodejs_punycode_module",
    "disable_nodejs_stream_wrap_module",
    "disable_nodejs_trace_events_module",
    "disable_nodejs_tty_module",
    "disable_nodejs_v8_module",
    "disable_nodejs_vm_module",
    "disable_nodejs_wasi_module",
    "disable_nodejs_worker_threads_module",
    "disable_top_level_await_in_require",
    "disable_validate_workflow_entrypoint",
    "do_not_bind_asynclocalstorage_snapshot_to-request",
    "durable_object_alarms",
    "durable_object_fetch_allows_relative_url",
    "durable_object_fetch_requires_full_url",
    "durable_object_rename",
    "dynamic_dispatch_treat_exceptions_as_500",
    "dynamic_dispatch_tunnel_exceptions",
    "enable_nodejs_child_process_module",
    "enable_nodejs_cluster_module",
    "enable_nodejs_console_module",
    "enable_nodejs_dgram_module",
    "enable_nodejs_domain_module",
    "enable_nodejs_fs_module",
    "enable_nodejs_http2_module",
    "enable_nodejs_http_modules",
    "enable_nodejs_http_server_modules",
    "enable_nodejs_inspector_module",
    "enable_nodejs_os_module",
    "enable_nodejs_perf_hooks_module",
    "enable_nodejs_process_v2",
    "enable_nodejs_punycode_module",
    "enable_nodejs_stream_wrap_module",
    "enable_nodejs_trace_events_module",
    "enable_nodejs_tty_module",
    "enable_nodejs_v8_module",
    "enable_nodejs_vm_module",
    "enable_nodejs_wasi_module",
    "enable_nodejs_worker_threads_module",
    "enable_top_level_await_in_require",
    "enable_validate_workflow_entrypoint",
    "enhanced_error_serialization",
    "export_commonjs_default",
    "export_commonjs_namespace",
    "fetch_refuses_unknown_protocols",
    "fetch_treats_unknown_protocols_as_http",
    "global_fetch_private_origin",
    "global_fetch_strictly_public",
    "handle_cross_request_promise_resolution",
    "html_rewriter_treats_esi_include_as_void_tag",
    "ignore_custom_ports",
    "ignore_unrecognized_import_assertion",
    "legacy_error_serialization",
    "legacy_module_registry",
    "minimal_subrequests",
    "no_brotli_content_encoding",
    "no_cache_api_compat_flags",
    "no_cache_api_request_cf_overrides_cache_rules",
    "no_cf_botmanagement_default",
    "no_cots_on_external_fetch",
    "no_crypto_preserve_public_exponent",
    "no_handle_cross_request_promise_resolution",
    "no_minimal_subrequests",
    "no_nodejs_zlib",
    "no_queues_json_messages",
    "no_request_cf_overrides_cache_rules",
    "no_strict_compression_checks",
    "no_strict_crypto_checks",
    "no_upper_case_all_http_methods",
    "no_web_socket_compression",
    "nodejs_zlib",
    "non_pedantic_wpt",
    "pedantic_wpt",
    "queue_consumer_no_wait_for_wait_until",
    "queue_consumer_wait_for_wait_until",
    "queues_json_messages",
    "r2_internal_beta_bindings",
    "r2_list_honor_include",
    "r2_public_beta_bindings",
    "remove_nodejs_compat_eol",
    "remove_nodejs_compat_eol_v22",
    "remove_nodejs_compat_eol_v23",
    "remove_nodejs_compat_eol_v24",
    "request_cf_overrides_cache_rules",
    "retain_authorization_on_cross_origin_redirect",
    "set_forwardable_email_full_headers",
    "set_forwardable_email_single_headers",
    "strict_compression_checks",
    "strict_crypto_checks",
    "strip_authorization_on_cross_origin_redirect",
    "tcp_sockets_support",
    "throw_on_unrecognized_import_assertion",
    "unique_ctx_per_invocation",
    "upper_case_all_http_methods",
    "urlpattern_original",
    "urlpattern_standard",
    "vectorize_query_metadata_optional",
    "vectorize_query_original",
    "web_socket_compression",
    NULL,
};
/* clang-format on */

static const char *const *const lists[] = {node, has, lacks, foreign};

enum { LISTS = sizeof(lists) / sizeof(lists[0]) };

static bool is_in(const char *const *list, const char *flag)
{
    while (*list && strcmp(*list, flag))
        list++;
    return *list != NULL;
}

/* The known one that is most like it, or NULL: up to a third of its letters may be wrong. */
static const char *likely(const char *flag)
{
    unsigned least = (unsigned)strlen(flag) / 3 + 1;
    const char *best = NULL;

    for (size_t i = 0; i < LISTS; i++) {
        for (const char *const *known = lists[i]; *known; known++) {
            if (spelling_distance(flag, *known) < least) {
                least = spelling_distance(flag, *known);
                best = *known;
            }
        }
    }
    return best;
}

/* "2026-01-31", by the calendar's longest months. */
static bool is_date(const char *text)
{
    int month, day;

    for (size_t i = 0; i < COMPAT_DATE_CHARS; i++)
        if (i == 4 || i == 7 ? text[i] != '-' : text[i] < '0' || text[i] > '9')
            return false;
    month = (text[5] - '0') * 10 + text[6] - '0';
    day = (text[8] - '0') * 10 + text[9] - '0';
    return !text[COMPAT_DATE_CHARS] && month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

static int read_flag(struct compat *c, const char *flag, json_t *warnings, const struct fault *f)
{
    char text[160];

    if (!strcmp(flag, "nodejs_compat") || !strcmp(flag, "nodejs_compat_v2"))
        c->has_node = c->has_async_hooks = true;
    else if (!strcmp(flag, "nodejs_als"))
        c->has_async_hooks = true;
    else if (!strcmp(flag, "nodejs_compat_populate_process_env"))
        c->has_env = true;
    else if (!strcmp(flag, "nodejs_compat_do_not_populate_process_env"))
        c->has_env = false;
    else if (is_in(lacks, flag) && warnings) {
        snprintf(text, sizeof(text), "has \"%.80s\": hearth is otherwise", flag);
        json_array_append_new(warnings, json_pack("{s:i, s:s, s:s}", "line", 0, "key",
                                                  "compatibility_flags", "text", text));
    }
    for (size_t i = 0; i < LISTS; i++)
        if (is_in(lists[i], flag))
            return 0;
    if (likely(flag))
        return refuse(f, "compatibility flag \"%.80s\" is not known; did you mean \"%s\"?", flag,
                      likely(flag));
    return refuse(f, "compatibility flag \"%.80s\" is not known", flag);
}

int compat_read(struct compat *c, const json_t *date, const json_t *flags, json_t *warnings,
                const struct fault *f)
{
    const char *day = json_string_value(date);
    const json_t *flag;
    size_t i;

    *c = (struct compat){0};
    if (date && (!day || strlen(day) != json_string_length(date) || !is_date(day)))
        return refuse(f, "\"compatibility_date\" must be a date as \"2026-01-31\"");
    if (flags && !json_is_array(flags))
        return refuse(f, "\"compatibility_flags\" must be a list");
    if (json_array_size(flags) > COMPAT_FLAGS_MAX)
        return refuse(f, "%zu compatibility flags: at most %d are possible", json_array_size(flags),
                      COMPAT_FLAGS_MAX);
    c->has_env = day && strcmp(day, "2025-04-01") >= 0;
    json_array_foreach(flags, i, flag)
    {
        if (!json_is_string(flag))
            return refuse(f, "compatibility flag %zu is not a string", i);
        if (read_flag(c, json_string_value(flag), warnings, f))
            return -1;
    }
    return 0;
}
