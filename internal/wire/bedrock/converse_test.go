package bedrock_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/llm"
	"sluice/internal/wire/bedrock"
)

// request is one with everything that the dialect has.
const request = `{
 "messages":[
  {"role":"user","content":[{"text":"look"},{"image":{"format":"png","source":{"bytes":"AA=="}}},{"document":{"format":"pdf","name":"a b","source":{"bytes":"AQ=="}}},{"cachePoint":{"type":"default"}}]},
  {"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"hm","signature":"s"}}},{"reasoningContent":{"redactedContent":"eA=="}},{"text":"I call"},{"toolUse":{"toolUseId":"t1","name":"f","input":{"a":1}}},{"toolUse":{"toolUseId":"t2","name":"g","input":{}}}]},
  {"role":"user","content":[{"toolResult":{"toolUseId":"t1","content":[{"text":"ok"},{"image":{"format":"jpeg","source":{"s3Location":{"uri":"s3://b/i"}}}}]}},{"toolResult":{"toolUseId":"t2","content":[{"text":"no"}],"status":"error"}},{"text":"go on"}]}
 ],
 "system":[{"text":"be kind"},{"cachePoint":{"type":"default","ttl":"1h"}}],
 "inferenceConfig":{"maxTokens":100,"temperature":0.50,"topP":0.9,"stopSequences":["x","y"]},
 "toolConfig":{"tools":[{"toolSpec":{"name":"f","description":"d","inputSchema":{"json":{"type":"object"}},"strict":true}},{"cachePoint":{"type":"default"}},{"systemTool":{"name":"nova_grounding"}}],"toolChoice":{"tool":{"name":"f"}}},
 "additionalModelRequestFields":{"top_k":5,"thinking":{"type":"enabled","budget_tokens":2000},"anthropic_beta":["x"]},
 "outputConfig":{"textFormat":{"type":"json_schema","structure":{"jsonSchema":{"schema":"{\"type\":\"object\"}","name":"n","description":"d"}}},"effort":"high"},
 "serviceTier":{"type":"flex"},"requestMetadata":{"k":"v"},
 "guardrailConfig":{"guardrailIdentifier":"g"}
}`

func TestReadChat(t *testing.T) {
	t.Parallel()
	got, e := bedrock.ReadChat(llm.OpChat, []byte(request))
	if e != nil {
		t.Fatal(e)
	}
	strict := true
	text := func(s string) llm.Part { return llm.Part{Kind: llm.PartText, Text: s} }
	want := &llm.Chat{
		Choices: 1,
		Messages: []llm.Turn{
			{Role: llm.RoleSystem, Parts: []llm.Part{{Kind: llm.PartText, Text: "be kind", CacheTTL: "1h"}}},
			{Role: llm.RoleUser, Parts: []llm.Part{text("look"), {Kind: llm.PartImage, MIME: "image/png", Data: "AA=="}, {Kind: llm.PartFile, MIME: "application/pdf", Name: "a b", Data: "AQ==", CacheTTL: "5m"}}},
			{Role: llm.RoleAssistant, Parts: []llm.Part{
				{Kind: llm.PartThinking, Text: "hm", Signature: "s", Origin: llm.Converse},
				{Kind: llm.PartRedacted, Signature: "eA==", Origin: llm.Converse},
				text("I call"),
				{Kind: llm.PartToolCall, ID: "t1", Name: "f", Text: `{"a":1}`},
				{Kind: llm.PartToolCall, ID: "t2", Name: "g", Text: `{}`},
			}},
			{Role: llm.RoleTool, Parts: []llm.Part{
				{Kind: llm.PartToolResult, ID: "t1", Parts: []llm.Part{text("ok"), {Kind: llm.PartImage, MIME: "image/jpeg", URL: "s3://b/i"}}},
				{Kind: llm.PartToolResult, ID: "t2", Parts: []llm.Part{text("no")}, IsError: true},
			}},
			{Role: llm.RoleUser, Parts: []llm.Part{text("go on")}},
		},
		Tools: []llm.Function{
			{Name: "f", Description: "d", Parameters: `{"type":"object"}`, Strict: &strict, CacheTTL: "5m"},
			{Name: "nova_grounding", Raw: `{"systemTool":{"name":"nova_grounding"}}`, Origin: llm.Converse},
		},
		ToolChoice: llm.ToolChoice{Mode: llm.ToolsRequired, Names: []string{"f"}},
		Format:     llm.Format{Kind: llm.FormatSchema, Name: "n", Description: "d", Schema: `{"type":"object"}`},
		MaxTokens:  100, Stop: []string{"x", "y"}, Temperature: "0.50", TopP: "0.9", TopK: "5",
		Reasoning:   llm.Reasoning{Mode: llm.ThinkOn, Budget: 2000, Effort: "high"},
		ServiceTier: "flex", Metadata: `{"k":"v"}`,
		Extra: []llm.Member{{Name: "additionalModelRequestFields.anthropic_beta", Value: `["x"]`}, {Name: "guardrailConfig", Value: `{"guardrailIdentifier":"g"}`}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// compact returns a JSON text without white space, so that two can be compared.
func compact(t *testing.T, b []byte) string {
	t.Helper()
	var out bytes.Buffer
	if err := json.Compact(&out, b); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	return out.String()
}

func TestChatRoundTrip(t *testing.T) {
	t.Parallel()
	c, e := bedrock.ReadChat(llm.OpChat, []byte(request))
	if e != nil {
		t.Fatal(e)
	}
	c.Extra = nil
	again, e := bedrock.ReadChat(llm.OpChat, bedrock.AppendChat(nil, c))
	if e != nil {
		t.Fatal(e)
	}
	if d := cmp.Diff(c, again); d != "" {
		t.Error(d)
	}
}

func TestAppendChat(t *testing.T) {
	t.Parallel()
	f := func(name string, c llm.Chat, want string) {
		t.Helper()
		if got := compact(t, bedrock.AppendChat(nil, &c)); got != want {
			t.Errorf("%s: %s\nwant %s", name, got, want)
		}
	}
	text := func(r llm.Role, s string) llm.Turn {
		return llm.Turn{Role: r, Parts: []llm.Part{{Kind: llm.PartText, Text: s}}}
	}
	hi := `"messages":[{"role":"user","content":[{"text":"hi"}]}]`
	f("roles alternate", llm.Chat{Messages: []llm.Turn{text(llm.RoleUser, "a"), text(llm.RoleUser, "b"), text(llm.RoleSystem, "s"), text(llm.RoleAssistant, ""), text(llm.RoleTool, "c")}},
		`{"messages":[{"role":"user","content":[{"text":"a"},{"text":"b"},{"text":"c"}]}],"system":[{"text":"s"}]}`)
	f("arguments that are none", llm.Chat{Messages: []llm.Turn{{Role: llm.RoleAssistant, Parts: []llm.Part{{Kind: llm.PartToolCall, ID: "t", Name: "f", Text: `{"a":`}}}}},
		`{"messages":[{"role":"assistant","content":[{"toolUse":{"toolUseId":"t","name":"f","input":{}}}]}]}`)
	f("blank texts, which are refused", llm.Chat{Messages: []llm.Turn{text(llm.RoleUser, "hi"), text(llm.RoleAssistant, " \n")}}, `{`+hi+`}`)
	f("a breakpoint within a result", llm.Chat{Messages: []llm.Turn{{Role: llm.RoleTool, Parts: []llm.Part{{Kind: llm.PartToolResult, ID: "t", Parts: []llm.Part{{Kind: llm.PartText, Text: "r", CacheTTL: "1h"}}}}}}},
		`{"messages":[{"role":"user","content":[{"toolResult":{"toolUseId":"t","content":[{"text":"r"}]}},{"cachePoint":{"type":"default","ttl":"1h"}}]}]}`)
	one := []llm.Turn{text(llm.RoleUser, "hi")}
	f("thinking off", llm.Chat{Messages: one, Reasoning: llm.Reasoning{Mode: llm.ThinkOff}}, `{`+hi+`,"additionalModelRequestFields":{"thinking":{"type":"disabled"}}}`)
	f("adaptive", llm.Chat{Messages: one, Reasoning: llm.Reasoning{Mode: llm.ThinkAdaptive, Effort: "low"}},
		`{`+hi+`,"additionalModelRequestFields":{"thinking":{"type":"adaptive"}},"outputConfig":{"effort":"low"}}`)
	f("any tool", llm.Chat{Messages: one, Tools: []llm.Function{{Name: "f"}}, ToolChoice: llm.ToolChoice{Mode: llm.ToolsRequired}},
		`{`+hi+`,"toolConfig":{"tools":[{"toolSpec":{"name":"f","inputSchema":{"json":{"type":"object","properties":{}}}}}],"toolChoice":{"any":{}}}}`)
	f("names of documents", llm.Chat{Messages: []llm.Turn{{Role: llm.RoleUser, Parts: []llm.Part{{Kind: llm.PartFile, MIME: "application/pdf", Name: "../r  é_1.pdf", Data: "AA=="}}}}},
		`{"messages":[{"role":"user","content":[{"document":{"format":"pdf","name":"r 1","source":{"bytes":"AA=="}}}]}]}`)
	f("tiers", llm.Chat{Messages: one, ServiceTier: "auto"}, `{`+hi+`}`)
}

func TestReadChatRefuses(t *testing.T) {
	t.Parallel()
	f := func(body, param, want string) {
		t.Helper()
		_, e := bedrock.ReadChat(llm.OpChat, []byte(body))
		if e == nil || e.Kind != llm.KindBadRequest || e.Param != param || !strings.Contains(e.Message, want) {
			t.Errorf("%s: %+v, want %s: %q", body, e, param, want)
		}
	}
	f(`{`, "", "the body cannot be read")
	f(`{"messages":[{"role":"system","content":[]}]}`, "messages[0].role", `role is "system", want user or assistant`)
	f(`{"messages":[{"role":"user","content":[{"text":5}]}]}`, "messages[0].content", "content cannot be read")
	f(`{"inferenceConfig":{"maxTokens":0.5}}`, "inferenceConfig.maxTokens", "maxTokens is 0.5, want a whole number of at least 1")
	f(`{"toolConfig":{"tools":[{"toolSpec":5}]}}`, "toolConfig.tools[0]", "tool cannot be read")
}

// answers are whole answers, each of which its stream must fold to.
func answers() map[string]*llm.Answer {
	one := func(f llm.Finish, reason string, parts ...llm.Part) *llm.Answer {
		return &llm.Answer{
			Choices: []llm.Choice{{Parts: parts, Finish: f, Reason: reason}}, HasUsage: true, ServiceTier: "priority",
			Usage: llm.Usage{Input: 30, CachedInput: 10, CacheWrite: 5, CacheWriteLong: 2, Output: 7},
		}
	}
	text := llm.Part{Kind: llm.PartText, Text: "hello \u2028 \"you\""}
	return map[string]*llm.Answer{
		"text":    one(llm.FinishStop, "end_turn", text),
		"nothing": one(llm.FinishFilter, "content_filtered"),
		"thinking": one(llm.FinishSequence, "stop_sequence", llm.Part{Kind: llm.PartThinking, Text: "hm", Signature: "s", Origin: llm.Converse},
			llm.Part{Kind: llm.PartRedacted, Signature: "eA==", Origin: llm.Converse}, text),
		"tools":  one(llm.FinishTools, "tool_use", text, llm.Part{Kind: llm.PartToolCall, ID: "1", Name: "f", Text: `{"a":1}`}, llm.Part{Kind: llm.PartToolCall, ID: "2", Name: "g", Text: "{}"}),
		"cited":  one(llm.FinishStop, "end_turn", llm.Part{Kind: llm.PartText, Text: "so", Citations: []llm.Citation{{URL: "https://example.com", Title: "t", Quote: "q"}, {Title: "u"}}}),
		"image":  one(llm.FinishLength, "max_tokens", llm.Part{Kind: llm.PartImage, MIME: "image/png", Data: "AA=="}),
		"window": one(llm.FinishContext, "model_context_window_exceeded", text),
	}
}

// stream writes an answer as frames, with texts in pieces of a character.
func stream(a *llm.Answer) []byte {
	w := bedrock.NewWriter(nil)
	var dst []byte
	write := func(e llm.Event) { dst = w.Write(dst, &e) }
	write(llm.Event{Kind: llm.EventStart})
	for _, p := range a.Choices[0].Parts {
		part := llm.Event{Kind: llm.EventPart, Part: p.Kind, ID: p.ID, Name: p.Name}
		if p.Kind == llm.PartImage {
			part.Media = &p
		}
		write(part)
		for _, r := range p.Text {
			write(llm.Event{Kind: llm.EventDelta, Part: p.Kind, Text: []byte(string(r))})
		}
		write(llm.Event{Kind: llm.EventPartEnd, Part: p.Kind, Signature: p.Signature, Origin: p.Origin, Citations: p.Citations})
	}
	write(llm.Event{Kind: llm.EventFinish, Finish: a.Choices[0].Finish, Name: a.Choices[0].Reason})
	write(llm.Event{Kind: llm.EventUsage, Usage: &a.Usage, ServiceTier: a.ServiceTier})
	return w.End(dst)
}

// fold reads frames back.
func fold(b []byte) (*llm.Answer, []llm.Event, *llm.Error) {
	var frames bedrock.Frames
	r := bedrock.NewReader()
	var f llm.Folder
	var all []llm.Event
	src := bytes.NewReader(b)
	for {
		_, readErr := frames.Fill(src)
		for {
			ev, ok, err := frames.Next()
			if err != nil {
				return nil, all, &llm.Error{Kind: llm.KindBadAnswer, Err: err}
			}
			if !ok {
				break
			}
			events, e := r.Read(nil, ev.Name, ev.Data)
			all = append(all, events...)
			for i := range events {
				f.Add(&events[i])
			}
			if e != nil {
				return f.Answer(), all, e
			}
		}
		if readErr != nil {
			_, e := r.End(nil)
			return f.Answer(), all, e
		}
	}
}

func TestStreamFoldsToAnswer(t *testing.T) {
	t.Parallel()
	for name, want := range answers() {
		whole, e := bedrock.ReadAnswer(bedrock.AppendAnswer(nil, want, nil))
		if e != nil {
			t.Fatalf("%s: %v", name, e)
		}
		if d := cmp.Diff(want, whole); d != "" {
			t.Errorf("%s: whole: %s", name, d)
		}
		got, events, e := fold(stream(want))
		if e != nil {
			t.Errorf("%s: %v", name, e)
		}
		if d := cmp.Diff(whole, got); d != "" {
			t.Errorf("%s: stream: %s", name, d)
		}
		if last := events[len(events)-1]; last.Kind != llm.EventEnd {
			t.Errorf("%s: the last event is %d, want the end", name, last.Kind)
		}
	}
}

func TestReadAnswerOfService(t *testing.T) {
	t.Parallel()
	got, e := bedrock.ReadAnswer([]byte(`{"metrics":{"latencyMs":551},"output":{"message":{"content":[{"text":"Hi"}],"role":"assistant"}},"stopReason":"end_turn","usage":{"inputTokens":12,"outputTokens":8,"totalTokens":20}}`))
	want := &llm.Answer{Choices: []llm.Choice{{Parts: []llm.Part{{Kind: llm.PartText, Text: "Hi"}}, Finish: llm.FinishStop, Reason: "end_turn"}}, Usage: llm.Usage{Input: 12, Output: 8}, HasUsage: true}
	if d := cmp.Diff(want, got); e != nil || d != "" {
		t.Errorf("%v: %s", e, d)
	}
	for _, body := range []string{`{`, `{"output":5}`, `{"output":{"message":{"role":"assistant","content":[{"text":5}]}}}`} {
		if _, e := bedrock.ReadAnswer([]byte(body)); e == nil || e.Kind != llm.KindBadAnswer {
			t.Errorf("%s: %v, want a bad answer", body, e)
		}
	}
	if _, e := bedrock.ReadAnswer([]byte(`{"message":"slow down","__type":"com.amazon#ThrottlingException"}`)); e == nil || e.Kind != llm.KindRateLimited {
		t.Errorf("an error with status 200: %v", e)
	}
}

func TestUsageCountsTheCache(t *testing.T) {
	t.Parallel()
	f := func(usage string, want llm.Usage) {
		t.Helper()
		got, e := bedrock.ReadAnswer([]byte(`{"output":{"message":{"role":"assistant","content":[]}},"stopReason":"end_turn","usage":` + usage + `}`))
		if e != nil {
			t.Fatal(e)
		}
		if d := cmp.Diff(want, got.Usage); d != "" {
			t.Errorf("%s: %s", usage, d)
		}
	}
	f(`{"inputTokens":5,"outputTokens":2,"totalTokens":20,"cacheReadInputTokens":10,"cacheWriteInputTokens":3}`, llm.Usage{Input: 18, CachedInput: 10, CacheWrite: 3, Output: 2})
	f(`{"inputTokens":18,"outputTokens":2,"totalTokens":20,"cacheReadInputTokens":10,"cacheWriteInputTokens":3}`, llm.Usage{Input: 18, CachedInput: 10, CacheWrite: 3, Output: 2})
	f(`{"inputTokens":5,"outputTokens":2,"totalTokens":10,"cacheWriteInputTokens":3,"cacheDetails":[{"ttl":"1h","inputTokens":2},{"ttl":"5m","inputTokens":1}]}`,
		llm.Usage{Input: 8, CacheWrite: 3, CacheWriteLong: 2, Output: 2})
}

func TestStreamErrors(t *testing.T) {
	t.Parallel()
	begun := bedrock.AppendFrame(nil, "messageStart", []byte(`{"role":"assistant"}`))
	f := func(name string, b []byte, want llm.Kind) {
		t.Helper()
		if _, _, e := fold(append(bytes.Clone(begun), b...)); e == nil || e.Kind != want {
			t.Errorf("%s: %v, want %s", name, e, want)
		}
	}
	message := []byte(`{"message":"arn:aws:bedrock:us-east-1:123456789012:model/x is busy"}`)
	f("throttling", bedrock.AppendException(nil, "throttlingException", message), llm.KindRateLimited)
	f("model", bedrock.AppendException(nil, "modelStreamErrorException", message), llm.KindProviderStream)
	f("server", bedrock.AppendException(nil, "internalServerException", message), llm.KindProviderStream)
	f("busy", bedrock.AppendException(nil, "serviceUnavailableException", message), llm.KindOverloaded)
	f("refused", bedrock.AppendException(nil, "validationException", message), llm.KindRejected)
	f("unmodeled", raw(append(text(":message-type", "error"), text(":error-code", "InternalFailure")...), nil), llm.KindProviderStream)
	f("cut", nil, llm.KindTruncated)
	_, _, e := fold(bedrock.AppendException(nil, "throttlingException", message))
	if strings.Contains(e.Message, "123456789012") || !strings.Contains(e.Message, "is busy") {
		t.Errorf("%q shows the account, or not what was wrong", e.Message)
	}
	for _, k := range []llm.Kind{llm.KindRateLimited, llm.KindOverloaded} { // what the writer says, the reader understands
		w := bedrock.NewWriter(nil)
		if _, _, e := fold(w.Fail(nil, llm.Errorf(k, "x"))); e == nil || e.Kind != k {
			t.Errorf("%s is read as %v", k, e)
		}
	}
}

func TestStreamPassesOverWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	b := bedrock.AppendFrame(nil, "messageStart", []byte(`{"role":"assistant"}`))
	b = bedrock.AppendFrame(b, "somethingNew", []byte(`{"a":1}`))
	b = bedrock.AppendFrame(b, "contentBlockDelta", []byte(`{"contentBlockIndex":0,"delta":{"text":"a"},"p":"abcdef"}`))
	b = bedrock.AppendFrame(b, "contentBlockDelta", []byte(`{"contentBlockIndex":0,"delta":{"text":`))
	b = bedrock.AppendFrame(b, "contentBlockDelta", []byte(`{"contentBlockIndex":0,"delta":{"new":{"text":"x"}}}`))
	b = bedrock.AppendFrame(b, "contentBlockDelta", []byte(`{"contentBlockIndex":1,"delta":{"text":"b"}}`))
	b = bedrock.AppendFrame(b, "messageStop", []byte(`{"stopReason":"end_turn"}`))
	got, events, e := fold(b)
	if e != nil {
		t.Fatal(e)
	}
	want := []llm.Part{{Kind: llm.PartText, Text: "a"}, {Kind: llm.PartText, Text: "b"}}
	if d := cmp.Diff(want, got.Choices[0].Parts); d != "" {
		t.Error(d)
	}
	malformed := 0
	for _, e := range events {
		if e.Kind == llm.EventMalformed {
			malformed++
		}
	}
	if malformed != 1 {
		t.Errorf("%d malformed events, want 1", malformed)
	}
}

func TestReaderAllocatesNothingForText(t *testing.T) {
	r := bedrock.NewReader()
	events := make([]llm.Event, 0, 8)
	name, data := []byte("contentBlockDelta"), []byte(`{"contentBlockIndex":0,"delta":{"text":"hello \"world\""},"p":"abc"}`)
	if got := testing.AllocsPerRun(100, func() {
		if _, e := r.Read(events[:0], name, data); e != nil {
			t.Fatal(e)
		}
	}); got != 0 {
		t.Errorf("%v allocations an event, want none", got)
	}
}

func TestWriterAllocatesNothingForText(t *testing.T) {
	w := bedrock.NewWriter(nil)
	dst := make([]byte, 0, 1024)
	part, d := llm.Event{Kind: llm.EventPart, Part: llm.PartText}, llm.Event{Kind: llm.EventDelta, Part: llm.PartText, Text: []byte("hello")}
	w.Write(dst, &part)
	if got := testing.AllocsPerRun(100, func() { w.Write(dst, &d) }); got != 0 {
		t.Errorf("%v allocations an event, want none", got)
	}
}

func TestClassifyError(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	f := func(status int, kind, body string, want llm.Kind) {
		t.Helper()
		h := http.Header{"Retry-After": {"2.5"}}
		if kind != "" {
			h.Set("X-Amzn-Errortype", kind)
		}
		e := bedrock.ClassifyError(status, h, []byte(body), now)
		if e.Kind != want || e.ProviderStatus != status || e.RetryAfter != 2500*time.Millisecond || e.Sent != llm.WasSent {
			t.Errorf("%d %s: %+v, want %s", status, kind, e, want)
		}
	}
	f(429, "ThrottlingException:http://internal.amazon.com/coral/", `{"message":"slow"}`, llm.KindRateLimited)
	f(429, "ModelNotReadyException", `{"message":"soon"}`, llm.KindOverloaded)
	f(400, "ServiceQuotaExceededException", `{}`, llm.KindQuotaExhausted)
	f(400, "ValidationException", `{"message":"The model returned the following errors: Input is too long for requested model."}`, llm.KindContextLength)
	f(400, "", `{"__type":"com.amazon.coral#ValidationException","message":"bad"}`, llm.KindRejected)
	f(403, "AccessDeniedException", `{"Message":"no"}`, llm.KindProviderAuth)
	f(403, "", `<html>`, llm.KindBadAnswer) // of a firewall: it knows no credentials
	f(403, "", ``, llm.KindProviderAuth)
	f(404, "ResourceNotFoundException", `{"message":"no model"}`, llm.KindRejected)
	f(408, "ModelTimeoutException", `{}`, llm.KindServerError)
	f(424, "ModelErrorException", `{}`, llm.KindServerError)
	f(500, "InternalServerException", `{}`, llm.KindServerError)
	f(503, "ServiceUnavailableException", `{}`, llm.KindOverloaded)
	f(502, "", ``, llm.KindServerError)
	f(301, "", ``, llm.KindBadAnswer)
	e := bedrock.ClassifyError(403, nil, []byte(`{"message":"User: arn:aws:iam::123456789012:user/x is not authorized"}`), now)
	if strings.Contains(e.Message, "arn:") {
		t.Errorf("%q shows the operator's account", e.Message)
	}
}

func TestErrorsAreUnderstood(t *testing.T) {
	t.Parallel()
	for _, k := range llm.Kinds() {
		body, status := bedrock.AppendError(nil, llm.Errorf(k, "x"), "id")
		h := http.Header{}
		h.Set("X-Amzn-Errortype", bedrock.ErrorType(k))
		e := bedrock.ClassifyError(status, h, body, time.Now())
		if status < 400 || !strings.HasSuffix(e.Message, ": x") && e.Kind != llm.KindProviderAuth {
			t.Errorf("%s: status %d, %q", k, status, e.Message)
		}
	}
}

func FuzzReadChat(f *testing.F) {
	f.Add([]byte(request))
	f.Add([]byte(`{"messages":[{"role":"user","content":[{"toolResult":{"toolUseId":"t","content":[{"json":{"a":1}}]}}]}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		c, e := bedrock.ReadChat(llm.OpChat, body)
		if e != nil {
			return
		}
		if out := bedrock.AppendChat(nil, c); !json.Valid(out) {
			t.Errorf("%s is no JSON, of %s", out, body)
		}
	})
}

func FuzzReadAnswer(f *testing.F) {
	for _, a := range answers() {
		f.Add(bedrock.AppendAnswer(nil, a, nil))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		a, e := bedrock.ReadAnswer(body)
		if e != nil {
			return
		}
		if out := bedrock.AppendAnswer(nil, a, nil); !json.Valid(out) {
			t.Errorf("%s is no JSON, of %s", out, body)
		}
	})
}

func FuzzReader(f *testing.F) {
	f.Add("contentBlockDelta", []byte(`{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"a"}}}`))
	f.Add("contentBlockStart", []byte(`{"contentBlockIndex":0,"start":{"toolUse":{"toolUseId":"t","name":"f"}}}`))
	f.Add("contentBlockDelta", []byte(`{"contentBlockIndex":0,"delta":{"citation":{"title":"t","location":{"web":{"url":"u"}}}}}`))
	f.Add("metadata", []byte(`{"usage":{"inputTokens":1},"serviceTier":{"type":"flex"}}`))
	f.Add("throttlingException", []byte(`{"message":"m"}`))
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		r := bedrock.NewReader()
		var fold llm.Folder
		for range 2 {
			events, e := r.Read(nil, []byte(name), data)
			for i := range events {
				fold.Add(&events[i])
			}
			if e != nil && e.Kind == llm.KindNone {
				t.Error("an error without a kind")
			}
		}
		fold.Answer()
	})
}
