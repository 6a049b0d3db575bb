package obs

// Attr is the name of a span attribute.
type Attr string

// The attributes of the OpenTelemetry conventions that spans of calls carry. They are written out here because semantic
// conventions v1.41 was the last release of the Go package with the generative-AI names: v1.42 moved them to a repository
// of their own (https://github.com/open-telemetry/semantic-conventions-genai), which has no release to import.
const (
	AttrOperation         Attr = "gen_ai.operation.name"
	AttrProvider          Attr = "gen_ai.provider.name"
	AttrRequestModel      Attr = "gen_ai.request.model"
	AttrRequestMaxTokens  Attr = "gen_ai.request.max_tokens"
	AttrRequestChoices    Attr = "gen_ai.request.choice.count"
	AttrRequestStream     Attr = "gen_ai.request.stream"
	AttrResponseID        Attr = "gen_ai.response.id"
	AttrResponseModel     Attr = "gen_ai.response.model"
	AttrTimeToFirstChunk  Attr = "gen_ai.response.time_to_first_chunk" // seconds
	AttrInputTokens       Attr = "gen_ai.usage.input_tokens"
	AttrOutputTokens      Attr = "gen_ai.usage.output_tokens"
	AttrCachedInputTokens Attr = "gen_ai.usage.cache_read.input_tokens"
	AttrCacheWriteTokens  Attr = "gen_ai.usage.cache_creation.input_tokens"
	AttrReasoningTokens   Attr = "gen_ai.usage.reasoning.output_tokens"

	AttrErrorType     Attr = "error.type"
	AttrServerAddress Attr = "server.address"
	AttrHTTPStatus    Attr = "http.response.status_code"
	AttrHTTPMethod    Attr = "http.request.method"
	AttrURLPath       Attr = "url.path"
	AttrResendCount   Attr = "http.request.resend_count"
	AttrCloudRegion   Attr = "cloud.region"

	attrServiceName    Attr = "service.name"
	attrServiceVersion Attr = "service.version"
)

// The attributes that no convention knows.
const (
	AttrCallID   Attr = "sluice.call.id"
	AttrKey      Attr = "sluice.key"
	AttrClass    Attr = "sluice.class"
	AttrTarget   Attr = "sluice.target"
	AttrCause    Attr = "sluice.error.cause"
	AttrAttempts Attr = "sluice.attempts"
	AttrCostUSD  Attr = "sluice.cost_usd"
	AttrSnapshot Attr = "sluice.config.snapshot"
	AttrQueueMS  Attr = "sluice.queue.wait_ms"
)
