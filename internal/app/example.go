package app

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"sluice/internal/config"
	"sluice/internal/gateway"
	"sluice/internal/sim"
	"sluice/internal/upstream"
)

// exampleTime bounds the question for an account's models. It delays the first line that a person sees.
const exampleTime = 600 * time.Millisecond

// ExampleModel returns a model name that the configuration can answer, for the line that a person is shown at the start.
// Where neither the configuration nor a simulated provider tells, it asks the first account for its models, which costs
// nothing; without an answer it guesses.
func (a *App) ExampleModel(ctx context.Context, c *config.Config) string {
	if len(c.Models) > 0 {
		return c.Models[0].Name
	}
	p := &c.Providers[0]
	if p.API == "sim" {
		return p.Name + "/" + sim.ModelNames(p.Sim)[0]
	}
	if i := slices.IndexFunc(p.Models, func(m string) bool { return !strings.Contains(m, "*") }); i >= 0 {
		return p.Name + "/" + p.Models[i]
	}
	const guess = "gpt-4o-mini"
	ids := listModels(ctx, a.gateway.Snapshot().Accounts[p.Name])
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

// listModels asks an account for its models; nil if it does not tell in time.
func listModels(ctx context.Context, account *gateway.Account) []string {
	ctx, cancel := context.WithTimeout(ctx, exampleTime)
	defer cancel()
	answer, e := account.Send(ctx, &upstream.Request{Method: http.MethodGet, Path: "/models"})
	if e != nil {
		return nil
	}
	defer answer.Close()
	var list struct {
		Data []struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	if answer.Status != http.StatusOK || json.NewDecoder(io.LimitReader(answer, 4<<20)).Decode(&list) != nil {
		return nil
	}
	ids := make([]string, 0, len(list.Data))
	for _, m := range list.Data {
		if m.ID != "" {
			ids = append(ids, m.ID)
		}
	}
	return ids
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
