package openaigo

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/shared"
)

const hello = "Tell me about rivers. [[sim:tokens=30]]"

func testChat(t *testing.T, c *client) {
	for _, model := range []string{"up/sim-fast", "sim-fast", "smart"} {
		got, h := c.ask(t, chat(model, hello))
		requestID(t, h)
		if target := h.Get("X-Sluice-Target"); target != "up/sim-fast" {
			t.Errorf("model %s went to %q", model, target)
		}
		choice := got.Choices[0]
		if choice.Message.Content == "" || choice.FinishReason != "stop" || choice.Message.Role != "assistant" {
			t.Errorf("model %s: choice %s", model, choice.RawJSON())
		}
		u := got.Usage
		if u.CompletionTokens != 30 || u.PromptTokens == 0 || u.TotalTokens != u.PromptTokens+30 {
			t.Errorf("model %s: usage %s", model, u.RawJSON())
		}
		if got.Model != "sim-fast" {
			t.Errorf("answer's model = %q, want the provider's name for it", got.Model)
		}
	}
}

func testStream(t *testing.T, c *client) {
	want := c.text(t, "smart", hello)
	got := c.stream(t.Context(), chat("smart", hello))
	if got.err != nil {
		t.Fatal(got.err)
	}
	if got.text[0] != want || got.finish[0] != "stop" {
		t.Errorf("streamed %q (%s), want %q", got.text[0], got.finish[0], want)
	}
	if got.chunks < 10 {
		t.Errorf("%d chunks for 30 tokens", got.chunks)
	}
	if len(got.usage) != 0 {
		t.Errorf("usage was not asked for, got %v", got.usage)
	}
}

func testStreamUsage(t *testing.T, c *client) {
	p := chat("smart", hello)
	p.StreamOptions.IncludeUsage = openai.Bool(true)
	got := c.stream(t.Context(), p)
	if got.err != nil {
		t.Fatal(got.err)
	}
	if len(got.usage) != 1 || got.usageAt[0] != 0 || got.usage[0].CompletionTokens != 30 {
		t.Errorf("want one chunk with usage and no choice, got %v with %v choices", got.usage, got.usageAt)
	}
	if got.text[0] == "" || got.finish[0] != "stop" {
		t.Errorf("streamed %q (%s)", got.text[0], got.finish[0])
	}
}

func testChoices(t *testing.T, c *client) {
	p := chat("smart", hello)
	p.N = openai.Int(2)
	whole, _ := c.ask(t, p)
	got := c.stream(t.Context(), p)
	if got.err != nil || len(whole.Choices) != 2 || len(got.text) != 2 {
		t.Fatalf("choices: %d, streamed %d, error %v", len(whole.Choices), len(got.text), got.err)
	}
	for _, choice := range whole.Choices {
		if got.text[choice.Index] != choice.Message.Content || got.finish[choice.Index] != choice.FinishReason {
			t.Errorf("choice %d: streamed %q (%s), want %q (%s)", choice.Index, got.text[choice.Index], got.finish[choice.Index],
				choice.Message.Content, choice.FinishReason)
		}
	}
	if got.text[0] == got.text[1] {
		t.Error("both choices have the same text: the test would not see them mixed up")
	}
}

func function(name, property, kind string) openai.ChatCompletionToolUnionParam {
	return openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{
		Name: name,
		Parameters: shared.FunctionParameters{
			"type": "object", "additionalProperties": false, "required": []string{property},
			"properties": map[string]any{property: map[string]any{"type": kind}},
		},
	})
}

func testTools(t *testing.T, c *client) {
	p := chat("smart", "Use them. [[sim:tools=2]]")
	p.Tools = []openai.ChatCompletionToolUnionParam{function("weather", "city", "string"), function("add", "number", "integer")}
	whole, _ := c.ask(t, p)
	calls := whole.Choices[0].Message.ToolCalls
	if len(calls) != 2 || whole.Choices[0].FinishReason != "tool_calls" {
		t.Fatalf("choice %s", whole.Choices[0].RawJSON())
	}

	stream := c.Chat.Completions.NewStreaming(t.Context(), p)
	defer stream.Close()
	var all openai.ChatCompletionAccumulator
	fragments := 0
	for stream.Next() {
		for _, choice := range stream.Current().Choices {
			fragments += len(choice.Delta.ToolCalls)
		}
		if !all.AddChunk(stream.Current()) {
			t.Fatalf("chunk does not fit: %s", stream.Current().RawJSON())
		}
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	got := all.Choices[0].Message.ToolCalls
	if len(got) != 2 || fragments < 6 || all.Choices[0].FinishReason != "tool_calls" {
		t.Fatalf("%d calls in %d fragments (%s)", len(got), fragments, all.Choices[0].FinishReason)
	}
	for i, property := range []string{"city", "number"} {
		if got[i].Function.Name != calls[i].Function.Name || got[i].Function.Arguments != calls[i].Function.Arguments {
			t.Errorf("call %d: streamed %s(%s), want %s(%s)", i, got[i].Function.Name, got[i].Function.Arguments,
				calls[i].Function.Name, calls[i].Function.Arguments)
		}
		var arguments map[string]any
		if err := json.Unmarshal([]byte(got[i].Function.Arguments), &arguments); err != nil || arguments[property] == nil {
			t.Errorf("arguments %s: %v", got[i].Function.Arguments, err)
		}
	}
}

func testStructured(t *testing.T, c *client) {
	p := chat("smart", "A person, please.")
	p.ResponseFormat.OfJSONSchema = &shared.ResponseFormatJSONSchemaParam{
		JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{
			Name: "person", Strict: openai.Bool(true),
			Schema: map[string]any{
				"type": "object", "required": []string{"name", "age"}, "additionalProperties": false,
				"properties": map[string]any{"name": map[string]any{"type": "string"}, "age": map[string]any{"type": "integer"}},
			},
		},
	}
	got, _ := c.ask(t, p)
	var person struct {
		Name *string
		Age  *int
	}
	d := json.NewDecoder(strings.NewReader(got.Choices[0].Message.Content))
	d.DisallowUnknownFields()
	if err := d.Decode(&person); err != nil || person.Name == nil || person.Age == nil {
		t.Errorf("content %q: %v", got.Choices[0].Message.Content, err)
	}
}

func testReasoning(t *testing.T, c *client) {
	stream := c.Chat.Completions.NewStreaming(t.Context(), chat("up/sim-reasoning", hello))
	defer stream.Close()
	var reasoning, text string
	for stream.Next() {
		for _, choice := range stream.Current().Choices {
			if f, ok := choice.Delta.JSON.ExtraFields["reasoning_content"]; ok && f.Raw() != "null" {
				var part string
				if err := json.Unmarshal([]byte(f.Raw()), &part); err != nil {
					t.Fatalf("reasoning_content %s: %v", f.Raw(), err)
				}
				if text != "" {
					t.Errorf("reasoning %q after the answer has begun", part)
				}
				reasoning += part
			}
			text += choice.Delta.Content
		}
	}
	if stream.Err() != nil || reasoning == "" || text == "" {
		t.Errorf("reasoning %q, text %q, error %v", reasoning, text, stream.Err())
	}
}

func testEmbeddings(t *testing.T, c *client) {
	embed := func(format openai.EmbeddingNewParamsEncodingFormat) *openai.CreateEmbeddingResponse {
		got, err := c.Embeddings.New(t.Context(), openai.EmbeddingNewParams{
			Model: "up/sim-embed", EncodingFormat: format,
			Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"a river", "a stone"}},
		})
		if err != nil {
			t.Fatalf("embeddings, format %q: %v", format, err)
		}
		if len(got.Data) != 2 || got.Usage.PromptTokens == 0 {
			t.Fatalf("embeddings, format %q: %s", format, got.RawJSON())
		}
		return got
	}
	plain, float, coded := embed(""), embed("float"), embed("base64")
	for i := range float.Data {
		want := float.Data[i].Embedding
		if len(want) != 64 || !slices.Equal(plain.Data[i].Embedding, want) {
			t.Errorf("embedding %d: %d values, without format %d", i, len(want), len(plain.Data[i].Embedding))
		}
		var text string
		if err := json.Unmarshal([]byte(coded.Data[i].JSON.Embedding.Raw()), &text); err != nil {
			t.Fatalf("base64 embedding is %s", coded.Data[i].JSON.Embedding.Raw())
		}
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(b) != 4*len(want) {
			t.Fatalf("base64 embedding has %d bytes: %v", len(b), err)
		}
		for j := range want {
			if v := math.Float32frombits(binary.LittleEndian.Uint32(b[4*j:])); math.Abs(float64(v)-want[j]) > 1e-6 {
				t.Fatalf("embedding %d value %d: %v in base64, %v in float", i, j, v, want[j])
			}
		}
	}
}

func testCompletions(t *testing.T, c *client) {
	p := openai.CompletionNewParams{Model: "smart", MaxTokens: openai.Int(20), Prompt: openai.CompletionNewParamsPromptUnion{OfString: openai.String("Once upon a time")}}
	whole, err := c.Completions.New(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if len(whole.Choices) != 1 || whole.Choices[0].Text == "" || whole.Usage.CompletionTokens == 0 {
		t.Fatalf("completion %s", whole.RawJSON())
	}
	stream := c.Completions.NewStreaming(t.Context(), p)
	defer stream.Close()
	text, finish := "", ""
	for stream.Next() {
		for _, choice := range stream.Current().Choices {
			text += choice.Text
			finish += string(choice.FinishReason)
		}
	}
	if stream.Err() != nil || text != whole.Choices[0].Text || finish != string(whole.Choices[0].FinishReason) {
		t.Errorf("streamed %q (%s), error %v; want %q", text, finish, stream.Err(), whole.Choices[0].Text)
	}
}

func testModels(t *testing.T, c *client) {
	page, err := c.Models.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, m := range page.Data {
		ids = append(ids, m.ID)
	}
	for _, want := range []string{"smart", "other/elsewhere"} {
		if !slices.Contains(ids, want) {
			t.Errorf("models %v lack %q", ids, want)
		}
	}
	for _, id := range []string{"smart", "up/sim-fast", "other/elsewhere"} {
		m, err := c.Models.Get(t.Context(), id)
		if err != nil || m.ID != id || m.OwnedBy == "" {
			t.Errorf("model %s: %+v, %v", id, m, err)
		}
	}
}
