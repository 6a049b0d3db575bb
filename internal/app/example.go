package app

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"sluice/internal/config"
	"sluice/internal/gateway"
	"sluice/internal/llm"
	"sluice/internal/sim"
	"sluice/internal/upstream"
)

// exampleTime bounds the question for an account's models. It delays the first line that a person sees.
const exampleTime = 600 * time.Millisecond

// ExampleModel returns a model name that the configuration can answer, for the line that a person is shown at the start.
// Where neither the configuration nor a simulated provider tells, it asks the first account that has chat for its models, which costs
// nothing; without an answer it guesses. It is empty where no account has chat.
func (a *App) ExampleModel(ctx context.Context, c *config.Config) string {
	if len(c.Models) > 0 {
		return c.Models[0].Name
	}
	accounts := a.gateway.Snapshot().Accounts
	i := slices.IndexFunc(c.Providers, func(p config.Provider) bool {
		return p.API == "sim" || accounts[p.Name] != nil && accounts[p.Name].Supports(llm.OpChat, llm.OpenAI, guessOf(p.Kind()))
	})
	if i < 0 {
		return "" // embeddings and rerank only
	}
	p := &c.Providers[i]
	if p.API == "sim" {
		return p.Name + "/" + sim.ModelNames(p.Sim)[0]
	}
	if i := slices.IndexFunc(p.Models, func(m string) bool { return !strings.Contains(m, "*") }); i >= 0 {
		return p.Name + "/" + p.Models[i]
	}
	guess := guessOf(p.Kind())
	ids := listModels(ctx, accounts[p.Name])
	if len(ids) == 0 || slices.Contains(ids, guess) {
		return p.Name + "/" + guess
	}
	for _, id := range ids {
		if looksLikeChat(id) {
			return p.Name + "/" + id
		}
	}
	return p.Name + "/" + ids[0]
}

// guessOf returns a model that an account of a kind is likely to have.
func guessOf(kind string) string {
	switch kind {
	case "anthropic":
		return "claude-haiku-4-5"
	case "gemini", "vertex":
		return "gemini-3.5-flash"
	case "bedrock":
		return "amazon.nova-lite-v1:0"
	case "groq":
		return "llama-3.3-70b-versatile"
	case "cerebras":
		return "gpt-oss-120b"
	case "together":
		return "openai/gpt-oss-20b"
	case "fireworks":
		return "accounts/fireworks/models/gpt-oss-20b"
	case "openrouter":
		return "openai/gpt-4o-mini"
	case "mistral":
		return "mistral-small-latest"
	case "deepseek":
		return "deepseek-chat"
	case "xai":
		return "grok-4.3"
	case "cohere":
		return "command-a-03-2025"
	}
	return "gpt-4o-mini"
}

// listModels asks an account for its models; nil if it does not tell in time.
func listModels(ctx context.Context, account *gateway.Account) []string {
	ctx, cancel := context.WithTimeout(ctx, exampleTime)
	defer cancel()
	rq, ok := account.ListRequest()
	if !ok {
		return nil
	}
	answer, e := account.Send(ctx, rq)
	if e != nil {
		return nil
	}
	defer answer.Close()
	body, err := io.ReadAll(io.LimitReader(answer, 4<<20))
	if err != nil || answer.Status != http.StatusOK {
		return nil
	}
	names, err := upstream.ReadList(body)
	if err != nil {
		return nil // an example only
	}
	return names
}

// looksLikeChat guesses from its name whether a model answers chat completions. It matters for an example only.
func looksLikeChat(id string) bool {
	id = strings.ToLower(id)
	for _, other := range []string{"embed", "whisper", "tts", "audio", "image", "dall-e", "moderation", "rerank", "realtime", "transcribe", "sora"} {
		if strings.Contains(id, other) {
			return false
		}
	}
	return true
}
