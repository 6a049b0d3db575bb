package openaigo

import (
	"net/http"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
)

func response(model, input string) responses.ResponseNewParams {
	return responses.ResponseNewParams{Model: model, Input: responses.ResponseNewParamsInputUnion{OfString: openai.String(input)}}
}

func testResponses(t *testing.T, u *upstream) {
	whole, err := u.Responses.New(t.Context(), response(u.named("sim-fast"), hello))
	if err != nil || whole.Status != "completed" || whole.OutputText() == "" || whole.Usage.OutputTokens != 30 {
		t.Fatalf("response %+v, error %v", whole, err)
	}
	text, folded := u.respond(t, response(u.named("sim-fast"), hello))
	if text != whole.OutputText() || folded.OutputText() != text || folded.Usage.TotalTokens != whole.Usage.TotalTokens {
		t.Errorf("streamed %q, at its end %q, want %q", text, folded.OutputText(), whole.OutputText())
	}

	got, err := u.Responses.Get(t.Context(), whole.ID, responses.ResponseGetParams{})
	if err != nil || got.OutputText() != whole.OutputText() {
		t.Errorf("stored %+v, error %v", got, err)
	}
	items, err := u.Responses.InputItems.List(t.Context(), whole.ID, responses.InputItemListParams{})
	if err != nil || len(items.Data) != 1 {
		t.Errorf("input items %+v, error %v", items, err)
	}
	if err := u.Responses.Delete(t.Context(), whole.ID); err != nil {
		t.Error(err)
	}
	_, err = u.Responses.Get(t.Context(), whole.ID, responses.ResponseGetParams{})
	if e := apiError(t, err); e.StatusCode != http.StatusNotFound {
		t.Errorf("after its deletion: %v", e)
	}
	u.respondWithTools(t)

	for model, status := range map[string]int{u.own("r-limited:429;retry=false"): 429, u.own("r-broken:500"): 502, "smrat": 404} {
		_, err := u.Responses.New(t.Context(), response(model, hello))
		if e := apiError(t, err); e.StatusCode != status {
			t.Errorf("%s: %d, want %d", model, e.StatusCode, status)
		}
	}
	stream := u.Responses.NewStreaming(t.Context(), response(u.own("r-cut:drip;delay=50ms+cut;after=5"), hello))
	defer stream.Close()
	deltas := 0
	for stream.Next() {
		if stream.Current().Type == "response.output_text.delta" {
			deltas++
		}
	}
	if stream.Err() == nil || deltas < 5 {
		t.Errorf("a stream that was cut: %d deltas, error %v", deltas, stream.Err())
	}
}

// respondWithTools has two calls at once, whose results go on with the response by its id.
func (u *upstream) respondWithTools(t *testing.T) {
	p := response(u.named("sim-fast"), "Use them. [[sim:tools=2]]")
	schema := func(property, kind string) map[string]any {
		return object(t, `{"type":"object","properties":{"`+property+`":{"type":"`+kind+`"}},"required":["`+property+`"],"additionalProperties":false}`)
	}
	p.Tools = []responses.ToolUnionParam{
		responses.ToolParamOfFunction("weather", schema("city", "string"), true), responses.ToolParamOfFunction("add", schema("number", "integer"), true),
	}
	_, answer := u.respond(t, p)
	var results []any
	for _, item := range answer.Output {
		if item.Type == "function_call" {
			results = append(results, map[string]any{"type": "function_call_output", "call_id": item.CallID, "output": "the result of " + item.Name})
		}
	}
	if len(results) != 2 {
		t.Fatalf("output %s", answer.RawJSON())
	}
	final, err := u.Responses.New(t.Context(), responses.ResponseNewParams{Model: p.Model, Tools: p.Tools, PreviousResponseID: openai.String(answer.ID)},
		option.WithJSONSet("input", results))
	if err != nil || final.OutputText() == "" || final.PreviousResponseID != answer.ID {
		t.Errorf("after the results: %+v, error %v", final, err)
	}
}

// respond returns the text that a stream has told in deltas, and the response at its end.
func (u *upstream) respond(t *testing.T, p responses.ResponseNewParams) (text string, r responses.Response) {
	t.Helper()
	stream := u.Responses.NewStreaming(t.Context(), p)
	defer stream.Close()
	for stream.Next() {
		event := stream.Current()
		switch event.Type {
		case "response.output_text.delta":
			text += event.Delta
		case "response.completed":
			r = event.Response
		}
	}
	if stream.Err() != nil || r.ID == "" {
		t.Fatalf("%s streamed: %+v, error %v", p.Model, r, stream.Err())
	}
	return text, r
}
