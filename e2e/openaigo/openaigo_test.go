// Package openaigo holds tests of the official Go client, unchanged, against a running gateway. It uses only what old and
// current versions of the client have in common: the same files run with go.mod and with openai-go-old.mod.
package openaigo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/ssestream"

	"sluice/e2e/harness"
)

func TestMain(m *testing.M) { harness.Main(m, "../..") }

// client is the official client and what stands behind it.
type client struct {
	openai.Client
	*harness.Stage
}

// with returns the client for another key.
func (c *client) with(key string, more ...option.RequestOption) openai.Client {
	return openai.NewClient(append([]option.RequestOption{
		option.WithBaseURL(c.Gateway.URL + "/v1"), option.WithAPIKey(key), option.WithMaxRetries(0),
		option.WithRequestTimeout(harness.Hang),
	}, more...)...)
}

func TestClient(t *testing.T) {
	c := &client{Stage: harness.StartStage(t)}
	c.Client = c.with(harness.Key)
	for name, test := range map[string]func(*testing.T, *client){
		"chat":              testChat,
		"stream":            testStream,
		"stream with usage": testStreamUsage,
		"choices":           testChoices,
		"tools":             testTools,
		"structured output": testStructured,
		"reasoning":         testReasoning,
		"embeddings":        testEmbeddings,
		"completions":       testCompletions,
		"models":            testModels,
		"odd streams":       testOddStreams,
		"errors":            testErrors,
		"retries":           testRetries,
		"key concurrency":   testKeyConcurrency,
		"broken streams":    testBrokenStreams,
		"abort":             testAbort,
		"timeout":           testTimeout,
		"keep-alives":       testKeepAlives,
		"paced burst":       testPacedBurst,
		"full quota":        testFullQuota,
		"key's rate":        testKeyRate,
		"key's budget":      testKeyBudget,
		"wait and retry":    testWaitAndRetry,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, c)
		})
	}
}

func chat(model, message string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{
		Model: model, Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(message)},
	}
}

// ask makes a chat call and returns the answer with its headers.
func (c *client) ask(t *testing.T, p openai.ChatCompletionNewParams) (*openai.ChatCompletion, http.Header) {
	t.Helper()
	var resp *http.Response
	got, err := c.Chat.Completions.New(t.Context(), p, option.WithResponseInto(&resp))
	if err != nil {
		t.Fatalf("chat %s: %v", p.Model, err)
	}
	return got, resp.Header
}

// text returns the answer's text to a message, by a call that is not streamed.
func (c *client) text(t *testing.T, model, message string) string {
	t.Helper()
	got, _ := c.ask(t, chat(model, message))
	return got.Choices[0].Message.Content
}

// streamed is what a client gathered from a stream.
type streamed struct {
	text    map[int64]string // by choice
	finish  map[int64]string
	chunks  int
	usage   []openai.CompletionUsage // of chunks that have one
	usageAt []int                    // number of choices of those chunks
	err     error
}

func (c *client) stream(ctx context.Context, p openai.ChatCompletionNewParams) streamed {
	return gather(c.Chat.Completions.NewStreaming(ctx, p))
}

func gather(s *ssestream.Stream[openai.ChatCompletionChunk]) streamed {
	defer s.Close()
	got := streamed{text: map[int64]string{}, finish: map[int64]string{}}
	for s.Next() {
		chunk := s.Current()
		got.chunks++
		for _, choice := range chunk.Choices {
			got.text[choice.Index] += choice.Delta.Content
			if choice.FinishReason != "" {
				got.finish[choice.Index] = choice.FinishReason
			}
		}
		if chunk.JSON.Usage.Valid() {
			got.usage = append(got.usage, chunk.Usage)
			got.usageAt = append(got.usageAt, len(chunk.Choices))
		}
	}
	got.err = s.Err()
	return got
}

// apiError returns the error that the API answered.
func apiError(t *testing.T, err error) *openai.Error {
	t.Helper()
	var e *openai.Error
	if !errors.As(err, &e) {
		t.Fatalf("error is %T %v, not one of the API", err, err)
	}
	return e
}

// wantSeen checks how many requests for a model have reached the provider, after the call that caused them. The provider
// counts a request at its end, which the client may see a moment earlier.
func (c *client) wantSeen(t *testing.T, model string, want int64) {
	t.Helper()
	harness.Eventually(t, harness.Wait, func() error {
		if n := c.Sim.Stats(t).Models[model].Requests; n != want {
			return fmt.Errorf("the provider has seen %d requests for %s, want %d", n, model, want)
		}
		return nil
	})
}

// requestID returns the id of an answer and fails if it is no ULID.
func requestID(t *testing.T, h http.Header) string {
	t.Helper()
	id := h.Get("X-Request-Id")
	if len(id) != 26 || strings.ToUpper(id) != id {
		t.Errorf("X-Request-Id = %q, want a ULID", id)
	}
	return id
}
