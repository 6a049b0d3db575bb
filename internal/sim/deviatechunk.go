package sim

import (
	"net/http"
	"strconv"

	"github.com/tidwall/gjson"

	"sluice/internal/wire"
)

func groqChunk(x *exchange, b []byte, kind chunkKind) []byte {
	b = rename(b, "reasoning_content", "reasoning")
	switch kind {
	case chunkUsage:
		return nil
	case chunkRole:
		return insert(b, "", `"x_groq":{"id":"`+x.id+`"}`)
	case chunkFinish:
		return insert(b, "", `"x_groq":{"id":"`+x.id+`","usage":`+groqUsage(x)+`}`)
	}
	return b
}

func groqUsage(x *exchange) string {
	return string(insert([]byte(usageText(x)), "", `"queue_time":0.01,"prompt_time":0.002,"completion_time":0.03,"total_time":0.032`))
}

func groqBody(x *exchange, b []byte) []byte {
	b = replace(rename(b, "reasoning_content", "reasoning"), "usage", groqUsage(x))
	return insert(b, "", `"usage_breakdown":null,"x_groq":{"id":"`+x.id+`"}`)
}

func groqHeader(_ *exchange, h http.Header) {
	h.Set("X-Ratelimit-Limit-Requests", "14400")
	h.Set("X-Ratelimit-Remaining-Requests", "14370")
	h.Set("X-Ratelimit-Reset-Requests", "2m59.56s")
	h.Set("X-Ratelimit-Limit-Tokens", "18000")
	h.Set("X-Ratelimit-Remaining-Tokens", "17997")
	h.Set("X-Ratelimit-Reset-Tokens", "7.66s")
}

func togetherChunk(_ *exchange, b []byte, kind chunkKind) []byte {
	if thought := gjson.GetBytes(b, "choices.0.delta.reasoning_content"); thought.Exists() {
		b = insert(b, "choices.0.delta", `"reasoning":`+thought.Raw)
	}
	if kind == chunkPiece {
		b = insert(b, "choices.0.delta", `"token_id":`+strconv.Itoa(1000+len(b)))
	}
	return togetherFinish(insert(b, "choices.0", `"seed":1234567890`))
}

func togetherFinish(b []byte) []byte {
	if gjson.GetBytes(b, "choices.0.finish_reason").Str == "stop" {
		return replace(b, "choices.0.finish_reason", `"eos"`)
	}
	return b
}

func openrouterChunk(_ *exchange, b []byte, _ chunkKind) []byte {
	for _, path := range []string{"choices.0.delta", "choices.0.message"} {
		if thought := gjson.GetBytes(b, path+".reasoning_content"); thought.Exists() {
			b = insert(b, path, `"reasoning_details":[{"type":"reasoning.text","text":`+thought.Raw+`,"index":0}]`)
		}
	}
	b = insert(rename(b, "reasoning_content", "reasoning"), "", `"provider":"Simulated"`)
	if why := gjson.GetBytes(b, "choices.0.finish_reason"); why.Exists() {
		b = insert(b, "choices.0", `"native_finish_reason":`+why.Raw)
	}
	return insert(b, "usage", `"cost":0.00012,"is_byok":false,"cost_details":{"upstream_inference_cost":null}`)
}

func openrouterRefusal(r *refusal) []byte {
	b := strconv.AppendInt([]byte(`{"error":{"code":`), int64(r.status), 10)
	b = wire.AppendString(append(b, `,"message":`...), r.text)
	b = wire.AppendString(append(b, `,"metadata":{"error_type":`...), r.kind)
	return append(b, `,"provider_name":"Simulated"}},"user_id":"user_sim"}`...)
}

func deepseekUsage(x *exchange, b []byte) []byte {
	hit := x.usage.CachedInput
	return insert(b, "usage", `"prompt_cache_hit_tokens":`+strconv.FormatInt(hit, 10)+`,"prompt_cache_miss_tokens":`+strconv.FormatInt(x.usage.Input-hit, 10))
}

// mistralThought is a thought in the form of Mistral's content.
func mistralThought(raw string) string {
	return `{"type":"thinking","thinking":[{"type":"text","text":` + raw + `}],"closed":true}`
}

func mistralChunk(_ *exchange, b []byte, _ chunkKind) []byte {
	if thought := gjson.GetBytes(b, "choices.0.delta.reasoning_content"); thought.Exists() {
		return rename(replace(b, "choices.0.delta.reasoning_content", "["+mistralThought(thought.Raw)+"]"), "reasoning_content", "content")
	}
	return b
}

func mistralBody(_ *exchange, b []byte) []byte {
	thought := gjson.GetBytes(b, "choices.0.message.reasoning_content")
	text := gjson.GetBytes(b, "choices.0.message.content")
	if !thought.Exists() || text.Type != gjson.String {
		return b
	}
	b = replace(b, "choices.0.message.content", "["+mistralThought(thought.Raw)+`,{"type":"text","text":`+text.Raw+`}]`)
	return rename(b, "reasoning_content", "x_simulated_thoughts")
}

func mistralRefusal(r *refusal) []byte {
	if r.status == http.StatusUnprocessableEntity {
		return []byte(`{"detail":[{"type":"missing","loc":["body","messages"],"msg":"Field required","input":null}]}`)
	}
	b := wire.AppendString([]byte(`{"object":"error","message":`), r.text)
	b = wire.AppendString(append(b, `,"type":`...), r.kind)
	return append(b, `,"param":null,"code":"1300","raw_status_code":`+strconv.Itoa(r.status)+`}`...)
}

func ollamaChunk(_ *exchange, b []byte, _ chunkKind) []byte {
	b = rename(b, "reasoning_content", "reasoning")
	return replace(b, "system_fingerprint", `"fp_ollama"`)
}
