package gemini_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/llm"
	"sluice/internal/wire"
	"sluice/internal/wire/gemini"
)

func TestSplitPath(t *testing.T) {
	t.Parallel()
	f := func(path, version, model, method string) {
		t.Helper()
		v, m, f, ok := gemini.SplitPath(path)
		if v != version || m != model || f != method || ok != (method != "") {
			t.Errorf("%s is %q, %q, %q, %t", path, v, m, f, ok)
		}
	}
	f("/v1beta/models/gemini-3-flash:generateContent", "v1beta", "gemini-3-flash", "generateContent")
	f("/v1/models/x:streamGenerateContent", "v1", "x", "streamGenerateContent")
	f("/v1alpha/models/openai/gpt-4o:countTokens", "v1alpha", "openai/gpt-4o", "countTokens")
	f("/v1beta/models/openai%2Fgpt-4o:countTokens", "v1beta", "openai/gpt-4o", "countTokens")
	f("/v1beta/models/llama3:8b:embedContent", "v1beta", "llama3:8b", "embedContent")
	f("/v1beta/models/llama3%3A8b%3AembedContent", "v1beta", "llama3:8b", "embedContent")
	f("/v1beta/tunedModels/mine:generateContent", "v1beta", "tunedModels/mine", "generateContent")
	f("/v1beta1/projects/p/locations/l/publishers/google/models/g:batchEmbedContents", "v1beta1", "g", "batchEmbedContents")
	f("/v1/projects/p/locations/l/publishers/openai/models/g/h:generateContent", "v1", "openai/g/h", "generateContent")
	f("/v1/publishers/google/models/g:generateContent", "v1", "g", "generateContent")
	f("/v1/projects/p/locations/l/endpoints/7:generateContent", "v1", "endpoints/7", "generateContent")
	f("/v1beta/openai/gpt-4o:generateContent", "v1beta", "openai/gpt-4o", "generateContent")
	f("/v1beta/openrouter/meta/llama3:8b:streamGenerateContent", "v1beta", "openrouter/meta/llama3:8b", "streamGenerateContent")
	for _, path := range []string{
		"/v1beta/x:generateContent", "/v1beta//x:generateContent", "/v1beta/x/:generateContent", "/v1beta/cachedContents/x:generateContent",
		"", "/", "/v1beta", "/v1beta/models", "/v1beta/models/x", "/v1beta/models/:generateContent", "/v1beta/models/x:", "/v1beta/models/x:a/b",
		"/models/x:generateContent", "/vx/models/x:generateContent", "/v1beta/files/x:generateContent", "/v1/projects/p/models/x:generateContent",
		"/v1/publishers/google/models/:generateContent", "/v1/publishers//models/x:generateContent", "/v1/projects/p/locations/l:generateContent",
	} {
		f(path, "", "", "")
	}
}

func TestParseRequest(t *testing.T) {
	t.Parallel()
	f := func(op llm.Op, body string, want wire.Request) {
		t.Helper()
		r, err := gemini.ParseRequest(op, []byte(body))
		if err != nil {
			t.Errorf("%s: %v", body, err)
			return
		}
		want.Choices = max(want.Choices, 1)
		if diff := cmp.Diff(want, *r.Fields()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", body, diff)
		}
	}
	f(llm.OpChat, `{"contents":[]}`, wire.Request{})
	f(llm.OpChat, `{"contents":[{"role":"user","parts":[{"text":"a\nb"}]}],"system_instruction":{"parts":{"text":"xy"}}}`, wire.Request{InputBytes: 12 + 3 + 12 + 2})
	f(llm.OpChat, `{"contents":[],"generationConfig":{"candidateCount":2,"maxOutputTokens":"100"},"serviceTier":"standard"}`,
		wire.Request{Choices: 2, MaxTokens: 100, ServiceTier: "default"})
	f(llm.OpChat, `{"contents":[],"generation_config":{"candidate_count":3,"max_output_tokens":1e2},"service_tier":"flex"}`,
		wire.Request{Choices: 3, MaxTokens: 100, ServiceTier: "flex"})
	f(llm.OpChat, `{"contents":[],"generationConfig":null,"serviceTier":null}`, wire.Request{})
	f(llm.OpChat, `{"contents":[{"parts":[{"inlineData":{"mimeType":"image/png","data":"`+strings.Repeat("A", 4000)+`"}}]}],"tools":[{"x":1}]}`,
		wire.Request{InputBytes: 12 + 9, MediaTokens: 258})
	f(llm.OpChat, `{"contents":[{"parts":[{"inline_data":{"data":"`+strings.Repeat("A", 64000/3*4)+`","mime_type":"audio/mp3"}}]}]}`,
		wire.Request{InputBytes: 12, MediaTokens: 3 * 32})
	f(llm.OpChat, `{"contents":[{"parts":[{"fileData":{"mimeType":"video/mp4","fileUri":"gs://x"}},{"functionCall":{"args":{"a":1}},"thoughtSignature":"AAAA"}]}]}`,
		wire.Request{InputBytes: 12 + 7, MediaTokens: 60 * 263})
	f(llm.OpEmbedding, `{"content":{"parts":[{"text":"abc"}]},"model":"models/x"}`, wire.Request{Inputs: 1, InputBytes: 15})
	f(llm.OpEmbedding, `{"requests":[{"model":"models/x","content":{"parts":[{"text":"abc"}]}},{"content":{"parts":[]}}]}`, wire.Request{Inputs: 2, InputBytes: 27})
	f(llm.OpCountTokens, `{"contents":[{"parts":[{"text":"abc"}]}]}`, wire.Request{InputBytes: 15})
	f(llm.OpCountTokens, `{"generateContentRequest":{"model":"models/x","contents":[{"parts":[{"text":"abc"}]}],"tools":[1]}}`, wire.Request{InputBytes: 18})
}

func TestParseRequestRefuses(t *testing.T) {
	t.Parallel()
	f := func(op llm.Op, body, param, message string) {
		t.Helper()
		_, err := gemini.ParseRequest(op, []byte(body))
		if err == nil || err.Kind != llm.KindBadRequest || err.Param != param || !strings.Contains(err.Message, message) {
			t.Errorf("%s: %v (%v), want %s about %q", body, err, err, message, param)
		}
	}
	f(llm.OpChat, "", "", "is empty")
	f(llm.OpChat, "\ufeff{}", "", "byte-order mark")
	f(llm.OpChat, "[]", "", "must be a JSON object")
	f(llm.OpChat, `{"contents":[}`, "", "not valid JSON")
	f(llm.OpChat, `{"contents":[]} x`, "", "not valid JSON")
	f(llm.OpChat, `xyz`, "", "not valid JSON")
	f(llm.OpChat, `{}`, "contents", "missing")
	f(llm.OpChat, `{"contents":1}`, "contents", "a number")
	f(llm.OpChat, `{"contents":[],"contents":[]}`, "contents", "twice")
	f(llm.OpChat, `{"contents":[],"Contents":[]}`, "contents", "another case")
	f(llm.OpChat, `{"contents":[],"generationConfig":{},"generation_config":{}}`, "generationConfig", "twice")
	f(llm.OpChat, `{"contents":[],"generationconfig":{}}`, "generationConfig", "another case")
	f(llm.OpChat, `{"contents":[],"generationConfig":[]}`, "generationConfig", "must be an object")
	f(llm.OpChat, `{"contents":[],"generationConfig":{"maxOutputTokens":1,"max_output_tokens":2}}`, "generationConfig.maxOutputTokens", "twice")
	f(llm.OpChat, `{"contents":[],"generationConfig":{"maxOutputTokens":1.5}}`, "generationConfig.maxOutputTokens", "whole number")
	f(llm.OpChat, `{"contents":[],"generationConfig":{"maxOutputTokens":true}}`, "generationConfig.maxOutputTokens", "a boolean")
	f(llm.OpChat, `{"contents":[],"generationConfig":{"candidateCount":129}}`, "generationConfig.candidateCount", "from 1 to 128")
	f(llm.OpChat, `{"contents":[],"generationConfig":{"candidateCount":"x"}}`, "generationConfig.candidateCount", "whole number")
	f(llm.OpChat, `{"contents":[],"serviceTier":1}`, "serviceTier", "must be a string")
	f(llm.OpEmbedding, `{}`, "content", "missing")
	f(llm.OpEmbedding, `{"requests":[],"content":{}}`, "requests", "empty")
	f(llm.OpEmbedding, `{"requests":[{}],"content":{}}`, "requests", "both")
	f(llm.OpEmbedding, `{"requests":{}}`, "requests", "must be an array")
	f(llm.OpEmbedding, `{"requests":[{"model":"a","model":"b"}]}`, "requests[0].model", "twice")
	f(llm.OpEmbedding, `{"requests":[{"model":7}]}`, "requests[0].model", "must be a string")
	f(llm.OpEmbedding, `{"requests":[{"model":"`+strings.Repeat("x", 513)+`"}]}`, "requests[0].model", "limit of 512")
	f(llm.OpEmbedding, `{"requests":[`+strings.Repeat("{},", 1000)+`{}]}`, "requests", "limit of 1000")
	f(llm.OpCountTokens, `{}`, "contents", "generateContentRequest")
	f(llm.OpCountTokens, `{"generateContentRequest":{"contents":[],"contents":[]}}`, "generateContentRequest.contents", "twice")
	f(llm.OpChat, `{"contents":`+strings.Repeat("[", 600), "", "nested deeper")
}

func TestAppendUpstream(t *testing.T) {
	t.Parallel()
	f := func(op llm.Op, body string, c wire.Change, want string) {
		t.Helper()
		r, err := gemini.ParseRequest(op, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(r.AppendUpstream([]byte("<"), []byte(body), &c)); got != "<"+want {
			t.Errorf("got  %s\nwant <%s", got, want)
		}
	}
	chat := ` {"new":[1.0,"\u00e9"] , "contents":[ ],"generation_config":{"x":1}}`
	f(llm.OpChat, chat, wire.Change{}, chat)
	f(llm.OpChat, chat, wire.Change{Model: "m", Usage: true}, chat)
	f(llm.OpChat, chat, wire.Change{Drop: []string{"generationConfig"}}, `{"new":[1.0,"\u00e9"],"contents":[ ]}`)
	f(llm.OpChat, chat, wire.Change{Set: []llm.Member{{Name: "generationConfig", Value: "{}"}, {Name: "contents", Value: "[1]"}}},
		`{"new":[1.0,"\u00e9"],"generationConfig":{},"contents":[1]}`)
	f(llm.OpChat, chat, wire.Change{Rename: []wire.NameChange{{From: "generationConfig", To: "config"}}},
		`{"new":[1.0,"\u00e9"],"contents":[ ],"config":{"x":1}}`)
	embed := `{"requests":[{"model":"models/a","content":{}},{"content":{} , "model":"models/b"}]}`
	f(llm.OpEmbedding, embed, wire.Change{}, embed)
	f(llm.OpEmbedding, embed, wire.Change{Model: "x"}, `{"requests":[{"model":"models/x","content":{}},{"content":{} , "model":"models/x"}]}`)
	f(llm.OpEmbedding, `{"model":"a","content":{}}`, wire.Change{Model: "tunedModels/t"}, `{"model":"tunedModels/t","content":{}}`)
	f(llm.OpEmbedding, `{"model":"a","content":{}}`, wire.Change{Model: "x", NoModel: true}, `{"content":{}}`)
	f(llm.OpCountTokens, `{"generateContentRequest":{"model":"a","contents":[]}}`, wire.Change{Model: "x"}, `{"generateContentRequest":{"model":"models/x","contents":[]}}`)
	// A signature of another provider's, which a client sends back, means nothing to Google.
	f(llm.OpChat, `{"contents":[{"parts":[{"text":"","thoughtSignature":"c2x1aWNlOmFudGhyb3BpYzphYmM="},{"text":"","thoughtSignature":"U0lH"}]}]}`, wire.Change{},
		`{"contents":[{"parts":[{"text":"","thoughtSignature":null},{"text":"","thoughtSignature":"U0lH"}]}]}`)
}
