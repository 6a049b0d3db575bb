package config

import "strings"

// settings reads the sections beside model_list.
func (im *importer) settings(root *sourceNode) {
	router, lite, general := im.section(root, "router_settings"), im.section(root, "litellm_settings"), im.section(root, "general_settings")
	im.fallbacks = make(map[string][]string)

	for _, s := range []*sourceNode{router, lite} { // the router's win
		im.retries(s)
		im.times(s)
		im.fallbackLists(s)
	}
	im.aliasList(router)
	im.strategy(router)
	im.logging(lite)
	im.unsupported(lite)
	im.keys(general)
	im.variables(im.section(root, "environment_variables"))

	im.leftover(router, routerReasons())
	im.leftover(lite, liteReasons())
	im.leftover(general, generalReasons())
}

func (im *importer) retries(s *sourceNode) {
	n, from := im.count(s, "num_retries", 99)
	switch {
	case from == nil:
		return
	case im.attempts != 0:
		im.at(from, NotTaken, "router_settings.num_retries goes before it")
		return
	}
	im.attempts = n + 1
	im.at(from, Changed, "LiteLLM counts for each group of fallbacks, Sluice for the call as a whole (retry.attempts, the first one included); retry.budget bounds them besides")
}

func (im *importer) times(s *sourceNode) {
	for _, key := range []string{"timeout", "request_timeout"} {
		t := im.seconds(s, key)
		if t.from == nil {
			continue
		}
		if im.timeout.from != nil {
			im.at(t.from, NotTaken, "another time limit of the file goes before it")
			continue
		}
		im.timeout = t
		im.at(t.from, Changed, timeoutNote)
	}
	if t := im.seconds(s, "stream_timeout"); im.streamTimeout.from == nil && t.from != nil {
		im.streamTimeout = t
		im.at(t.from, Changed, streamNote)
	}
}

const (
	timeoutNote = "limits each attempt until its answer begins (timeouts.headers); the call as a whole has timeouts.total"
	streamNote  = "limits the time to the first token of a stream (timeouts.first_token); silence within it has timeouts.idle"
)

// fallbackLists reads [{model: [others]}].
func (im *importer) fallbackLists(s *sourceNode) {
	for _, item := range im.list(s, "fallbacks") {
		if im.shaped(item, mappingNode, "a mapping of a model to a list") == nil {
			continue
		}
		for _, m := range item.members {
			names := im.names(im.shaped(m.value, listNode, "a list"))
			switch {
			case m.key == "*":
				im.defaultFallbacks = append(im.defaultFallbacks, names...)
			case im.byGroup[m.key] == nil:
				im.find(m.pos, join(item.path, m.key), NotTaken, "there is no such model in the result")
			default:
				im.fallbacks[m.key] = append(im.fallbacks[m.key], names...)
			}
		}
	}
	if l := im.shaped(s.take("default_fallbacks"), listNode, "a list"); l != nil {
		im.defaultFallbacks = append(im.defaultFallbacks, im.names(l)...)
	}
}

// names reads a list of models, and reports those that are not there.
func (im *importer) names(l *sourceNode) []string {
	if l == nil {
		return nil
	}
	var out []string
	for _, n := range l.items {
		switch {
		case n == nil:
		case n.kind != scalarNode:
			im.at(n, NotTaken, "a fallback with parameters of its own has no equivalent; name a model")
		case im.byGroup[n.text] == nil && im.byID[n.text] == nil:
			im.at(n, NotTaken, "there is no such model in the result")
		default:
			out = append(out, n.text)
		}
	}
	return out
}

func (im *importer) aliasList(router *sourceNode) {
	t := im.section(router, "model_group_alias")
	if t == nil {
		return
	}
	for _, m := range t.members {
		if m.value == nil {
			continue
		}
		target := m.value
		if target.kind == mappingNode {
			if on, n := im.flag(target, "hidden"); on {
				im.at(n, NotTaken, "Sluice lists all models")
			}
			v := target.find("model")
			im.leftoverAfter(target, "model")
			target = v
		}
		switch {
		case target == nil || target.kind != scalarNode || im.byGroup[target.text] == nil:
			im.find(m.pos, join(t.path, m.key), NotTaken, "there is no such model in the result")
		case !modelName(m.key):
			im.find(m.pos, join(t.path, m.key), NotTaken, "is no name that Sluice takes for a model")
		case im.byGroup[m.key] != nil:
			im.find(m.pos, join(t.path, m.key), NotTaken, "model_list has a model of that name")
		default:
			im.aliases = append(im.aliases, aliasOf{m.key, target.text})
		}
	}
}

func (im *importer) leftoverAfter(t *sourceNode, key string) {
	t.take(key)
	im.leftover(t, nil)
}

func (im *importer) strategy(router *sourceNode) {
	n := router.take("routing_strategy")
	if n == nil || n.text == "simple-shuffle" {
		return
	}
	im.at(n, Changed, "targets are chosen at random by their weights in this version, whatever their load, speed or price")
}

func (im *importer) logging(lite *sourceNode) {
	if on, n := im.flag(lite, "set_verbose"); on {
		im.logLevel = "debug"
		im.at(n, Changed, "is log.level: debug, which shows no prompts")
	}
	if on, _ := im.flag(lite, "json_logs"); on {
		im.logFormat = "json"
	}
}

// unsupported reads what becomes of parameters that a provider does not know.
func (im *importer) unsupported(lite *sourceNode) {
	on, n := im.flag(lite, "drop_params")
	switch {
	case n == nil:
	case on:
		im.parameters = "drop"
		im.at(n, Changed, "is parameters: drop, for what a target cannot honour; parameters: warn would also name it in a header of the answer")
	default:
		im.parameters = "reject"
		im.at(n, Changed, "is parameters: reject: a call with a parameter that its target cannot honour is refused")
	}
}

// keys reads the master key, which is the operator's key and a client's key at once.
func (im *importer) keys(general *sourceNode) {
	im.listen = "127.0.0.1:4000"
	v := im.secret(general, "master_key")
	switch n := len(v.text); {
	case v.text == "":
	case !v.ref && (n < 16 || n > 256 || strings.ContainsAny(v.text, " \t")):
		im.at(v.from, NotTaken, "Sluice takes keys of 16 to 256 bytes without white space; make one with `sluice keys create`. Until then only this machine is answered")
	default:
		im.adminKey, im.clientKey, im.listen = v.text, v.text, "0.0.0.0:4000"
		im.at(v.from, Changed, "is admin_key and, for clients that use it, the key named master; give clients keys of their own with `sluice keys create`")
	}
}

// variables reports environment_variables: a configuration of Sluice reads the environment, and does not write it.
func (im *importer) variables(t *sourceNode) {
	if t == nil {
		return
	}
	for _, m := range t.members {
		m.taken = true
		im.find(m.pos, join(t.path, m.key), NotTaken, "set it in the environment of the process")
	}
}

const (
	later       = "comes with a later version"
	noBreaker   = "the circuit breaker of each target has no settings: it opens by itself and probes with single calls"
	ownSeeing   = "Sluice has metrics, traces, logs and a ledger of its own (docs/OPERATE.md)"
	asWritten   = "requests go to the provider as clients write them: set it in the client"
	noDatabase  = "Sluice keeps its own tables: name a PostgreSQL database in `database`, or keep SQLite in data_dir. Keys, teams and budgets in LiteLLM's are not read"
	pricesFile  = "prices come from the built-in table and from prices_file (docs/PRICES.md)"
	notRedis    = "name the server in `redis` (redis://…), through which replicas share quotas, limits and budgets (docs/CLUSTER.md)"
	budgets     = "budgets and rates are limits of keys, tiers and end users here: set them under tiers or keys, or with `sluice keys create` (docs/LIMITS.md)"
	onlyFailure = "Sluice goes on to the next target after failures of the provider only, in this version"
)

// each makes a table of reasons for several keys at once.
func each(into map[string]string, why string, keys ...string) {
	for _, k := range keys {
		into[k] = why
	}
}

func rootReasons() map[string]string {
	m := make(map[string]string)
	each(m, "paste the included files into one and import that", "include")
	each(m, ownSeeing, "callback_settings")
	each(m, later, "guardrails", "mcp_servers", "mcp_tools", "vector_store_registry", "search_tools", "prompts", "agent_list", "policies")
	each(m, "files and batches come with a later version", "files_settings", "finetune_settings")
	return m
}

func paramReasons() map[string]string {
	m := make(map[string]string)
	each(m, asWritten, "temperature", "top_p", "top_k", "max_tokens", "max_completion_tokens", "stop", "seed", "n", "presence_penalty",
		"frequency_penalty", "response_format", "tools", "tool_choice", "extra_body", "reasoning_effort", "logit_bias", "user",
		"additional_drop_params", "allowed_openai_params", "merge_reasoning_content_in_choices", "dimensions",
		"input_type", "encoding_format", "thinking", "parallel_tool_calls", "service_tier", "num_ctx", "keep_alive")
	each(m, "parameters, of the model or at the top, says what becomes of what a target cannot honour", "drop_params")
	each(m, pricesFile, "input_cost_per_token", "output_cost_per_token", "input_cost_per_second", "output_cost_per_second")
	each(m, "Azure is addressed by key, or by tenant_id, client_id and client_secret without one", "azure_ad_token", "azure_ad_token_provider", "tenant_id",
		"client_id", "client_secret", "azure_username", "azure_password", "azure_scope")
	each(m, "AWS is addressed by keys that stand in the configuration", "aws_profile_name", "aws_role_name", "aws_session_name", "aws_web_identity_token",
		"aws_sts_endpoint", "aws_external_id", "aws_access_key_id", "aws_secret_access_key", "aws_session_token")
	each(m, "Vertex AI is addressed by an api_key or by a credentials file", "vertex_credentials")
	each(m, "has no meaning for this provider", "organization", "vertex_project", "vertex_location", "aws_region_name")
	each(m, "routing by tags "+later, "tags")
	each(m, budgets, "max_budget", "budget_duration", "default_api_key_rpm_limit", "default_api_key_tpm_limit")
	each(m, "Sluice sends no mocks; `api: sim` is a simulated provider", "mock_response", "mock_timeout")
	each(m, noBreaker, "cooldown_time", "allowed_fails")
	each(m, "the certificate of a provider is always checked", "ssl_verify")
	each(m, "is not needed", "use_in_pass_through", "use_litellm_proxy", "api_version", "model_info", "stream", "force_timeout", "merge_headers")
	return m
}

func infoReasons() map[string]string {
	m := make(map[string]string)
	each(m, pricesFile, "input_cost_per_token", "output_cost_per_token", "input_cost_per_second", "output_cost_per_second", "base_model",
		"cache_read_input_token_cost", "cache_creation_input_token_cost", "input_cost_per_token_batches", "output_cost_per_token_batches")
	each(m, "Sluice does not need to be told", "max_tokens", "max_input_tokens", "max_output_tokens", "litellm_provider", "description", "metadata",
		"supports_function_calling", "supports_vision", "supports_parallel_function_calling", "supports_response_schema",
		"supports_system_messages", "supports_prompt_caching", "supports_reasoning", "supports_tool_choice", "supported_environments",
		"supported_openai_params", "output_vector_size", "version", "health_check_model", "health_check_timeout")
	each(m, "limits on who may use a model are those of keys (keys[].models)", "access_groups", "team_id", "access_via_team_ids")
	return m
}

func routerReasons() map[string]string {
	m := make(map[string]string)
	each(m, noBreaker, "allowed_fails", "cooldown_time", "disable_cooldowns", "allowed_fails_policy", "retry_policy", "model_group_retry_policy")
	each(m, onlyFailure, "context_window_fallbacks", "content_policy_fallbacks")
	each(m, "a prompt that is too long is refused by the provider; checks before the call come with a later version", "enable_pre_call_checks")
	each(m, notRedis, "redis_host", "redis_port", "redis_password", "redis_url", "redis_db", "cache_kwargs")
	each(m, "caches come with a later version", "cache_responses", "client_ttl", "caching_groups", "cache_params")
	each(m, "routing by tags "+later, "enable_tag_filtering", "tag_filtering_match_any")
	each(m, "has no equivalent: targets are chosen by order and weight", "routing_strategy_args", "routing_groups", "optional_pre_call_checks",
		"enable_weighted_failover", "assistants_config", "default_priority", "polling_interval")
	each(m, budgets, "provider_budget_config")
	each(m, "fallbacks are followed through five models at most", "max_fallbacks")
	each(m, "retry.base and retry.max say how long retries wait", "retry_after")
	each(m, ownSeeing, "debug_level", "set_verbose", "alerting_config")
	return m
}

func liteReasons() map[string]string {
	m := routerReasons()
	each(m, ownSeeing, "success_callback", "failure_callback", "callbacks", "service_callbacks", "langfuse_default_tags", "datadog_params",
		"prometheus_metrics_config", "turn_off_message_logging", "redact_user_api_key_info", "log_raw_request_response", "redact_messages_in_exceptions",
		"s3_callback_params", "custom_prometheus_metadata_labels", "prometheus_initialize_budget_metrics", "default_team_settings")
	each(m, "caches come with a later version", "cache", "cache_params", "enable_caching_on_provider_specific_optional_params")
	each(m, asWritten, "modify_params", "add_function_to_prompt", "default_in_memory_ttl")
	each(m, budgets, "max_budget", "budget_duration", "max_internal_user_budget", "max_end_user_budget",
		"internal_user_budget_duration", "default_max_internal_user_budget")
	each(m, "keys are made with `sluice keys create`, and take their limits from a tier (docs/LIMITS.md)", "key_generation_settings", "upperbound_key_generate_params", "default_key_generate_params",
		"default_internal_user_params", "default_team_params")
	each(m, later, "mcp_aliases", "guardrails", "public_model_groups", "tag_budget_config")
	each(m, "the certificate of a provider is always checked", "ssl_verify", "ssl_security_level", "ssl_certificate")
	each(m, "the system decides between IPv4 and IPv6", "force_ipv4")
	each(m, "has no equivalent", "telemetry", "request_timeout", "enable_preview_features", "enable_json_schema_validation",
		"disable_end_user_cost_tracking", "disable_end_user_cost_tracking_prometheus_only", "return_response_headers", "disable_copilot_system_to_assistant")
	return m
}

func generalReasons() map[string]string {
	m := make(map[string]string)
	each(m, noDatabase, "database_url", "store_model_in_db", "database_connection_pool_limit", "database_connection_timeout", "database_type",
		"database_args", "use_azure_key_vault", "allow_requests_on_db_unavailable", "supported_db_objects")
	each(m, "every call is in the ledger", "disable_spend_logs", "disable_spend_updates", "proxy_batch_write_at", "store_prompts_in_spend_logs",
		"maximum_spend_logs_retention_period", "maximum_spend_logs_retention_interval", "disable_error_logs", "disable_adding_master_key_hash_to_db")
	each(m, "clients are told apart by keys (keys, `sluice keys`)", "custom_auth", "enable_jwt_auth", "litellm_jwtauth", "enable_oauth2_auth",
		"litellm_key_header_name", "key_management_system", "key_management_settings", "allowed_routes", "admin_only_routes", "public_routes",
		"allowed_ips", "enforce_user_param", "use_client_credentials_pass_through_routes", "custom_key_generate")
	each(m, ownSeeing, "alerting", "alerting_threshold", "alert_types", "alert_to_webhook_url", "alerting_args", "otel", "spend_report_frequency")
	each(m, "no limit over all calls; those of keys and providers are keys[].concurrency and providers.NAME.concurrency", "global_max_parallel_requests")
	each(m, "the breaker learns from live calls; nothing is sent to providers to check them", "background_health_checks", "health_check_interval",
		"health_check_details", "use_shared_health_check")
	each(m, "name a model in every request", "completion_model", "infer_model_from_keys")
	each(m, "max_body is the limit of requests", "max_request_size_mb", "max_response_size_mb")
	each(m, later, "pass_through_endpoints", "user_mcp_management_mode", "ui_access_mode", "proxy_budget_rescheduler_min_time",
		"proxy_budget_rescheduler_max_time", "default_team_disabled", "disable_reset_budget", "max_budget", "budget_duration")
	each(m, "headers of clients are not handed to providers", "forward_client_headers_to_llm_api", "forward_openai_org_id")
	return m
}
