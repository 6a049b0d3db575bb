package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"sluice/internal/llm"
	"sluice/internal/model"
	"sluice/internal/upstream"
)

const (
	maxList  = 16 << 20 // bytes of a list of models
	maxError = 64 << 10 // bytes of an error's body
)

// connect examines an account without a call that costs.
func (x *Exam) connect(ctx context.Context, a *account) {
	a.add(a.settings())
	u, err := url.Parse(a.Provider.URL())
	if err != nil {
		a.broken = true // New has parsed it
		return
	}
	var p path
	began := time.Now()
	rq, lists := a.up.ListRequest()
	if !lists {
		rq = &upstream.Request{Method: http.MethodGet, Path: "/"} // any answer shows the way
	}
	rq.Limits = x.limits()
	answer, e := a.up.Send(p.watch(ctx), rq)
	took := time.Since(began)
	var failed error
	if e != nil {
		failed = e
		if e.Err != nil {
			failed = e.Err
		}
	}
	checks := p.checks(u, proxyFor(u), failed, time.Now())
	a.report.Checks = append(a.report.Checks, checks...)
	a.report.RTT = float64(p.rtt) / float64(time.Millisecond)
	if e != nil {
		a.broken = true
		if !slices.ContainsFunc(checks, func(c Check) bool { return c.State == Fail }) {
			a.add(a.noAnswer(e))
		}
		return
	}
	defer answer.Close()
	a.add(clock(answer.Header, began, took))
	switch {
	case lists:
		a.models(answer)
	default:
		a.add(okf("models", "%s lists none that could be called", a.up.Preset().Title))
	}
}

// limits bound one request.
func (x *Exam) limits() upstream.Limits {
	return upstream.Limits{
		Connect: x.o.Connect, Headers: x.o.Timeout, FirstToken: x.o.Timeout, Idle: x.o.Timeout,
		End: time.Now().Add(x.o.Timeout), EndSetting: "--timeout",
	}
}

// noAnswer is for a request that found a connection and got nothing over it.
func (a *account) noAnswer(e *llm.Error) Check {
	if e.Kind == llm.KindProviderAuth { // of a token endpoint, which was asked first
		return Check{"key", Fail, e.Message, "no access token is given for the credentials of providers." + a.Provider.Name + ": were they revoked, or are they for another project?"}
	}
	return Check{"answer", Fail, e.Message, "the server took the connection and did not answer: does base_url point at an API that speaks HTTP, and is it alive?"}
}

// settings looks at what can be told without a network.
func (a *account) settings() Check {
	p := &a.Provider
	key := "no key"
	switch {
	case !p.APIKey.Empty():
		key = "key " + p.APIKey.String()
	case p.Paid():
		key = "credentials"
	}
	c := okf("settings", "%s, api %s", key, p.Kind())
	u, err := url.Parse(p.URL())
	authorized := p.Paid()
	switch {
	case !a.Simulated && a.priceOf != "" && !authorized:
		c.State, c.Do = Fail, "this provider wants a key: set api_key of providers."+p.Name
	case err == nil && u.Scheme == "http" && !private(u.Hostname()) && authorized:
		c.State, c.Do = Warn, "the key travels in clear text: use https:// in base_url"
	case p.Connections > 0 && p.Concurrency > p.Connections:
		c.State = Warn
		c.Do = fmt.Sprintf("connections (%d) is below concurrency (%d): calls would wait for a connection unseen; raise it or leave it out", p.Connections, p.Concurrency)
	case strings.TrimSpace(p.APIKey.Reveal()) != p.APIKey.Reveal():
		c.State, c.Do = Warn, "the key begins or ends with white space: was it pasted with some?"
	}
	return c
}

// clockLimit is a difference of clocks above what the second of a Date header and a slow answer explain.
const clockLimit = 30 * time.Second

// clock compares this machine's clock with the Date of an answer that took some time.
func clock(h http.Header, began time.Time, took time.Duration) Check {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return okf("clock", "the server states no time")
	}
	// The server wrote the second that it was in, at some moment of the wait.
	skew := date.Add(500 * time.Millisecond).Sub(began.Add(took / 2))
	if skew.Abs() <= clockLimit {
		return okf("clock", "agrees with the server's within %s", max(skew.Abs(), time.Second).Round(time.Second))
	}
	direction := "behind"
	if skew < 0 {
		direction = "ahead of"
	}
	return Check{
		"clock", Warn, fmt.Sprintf("this machine is %s %s the server", skew.Abs().Round(time.Second), direction),
		"set the clock (NTP): stated waits and the validity of certificates are read by it",
	}
}

// models reads the answer to the question for the account's models, which also tells whether the key is good.
func (a *account) models(answer *upstream.Answer) {
	if answer.Status != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(answer, maxError)) // what came of it is enough
		a.refused(a.classify(answer, body))
		return
	}
	body, err := io.ReadAll(io.LimitReader(answer, maxList))
	if err == nil {
		a.listed, err = upstream.ReadList(body)
	}
	if err != nil {
		var e *json.SyntaxError
		if errors.As(err, &e) || len(body) == 0 {
			a.add(Check{"models", Warn, "the answer to GET /models is no JSON", "is base_url the address of an API, with its version part (often /v1)?"})
			return
		}
		a.add(Check{"models", Warn, "the list of models cannot be read: " + err.Error(), "the calls below tell whether the models work"})
		return
	}
	a.report.Listed = len(a.listed)
	a.add(okf("models", "%d listed", len(a.listed)))
}

// refused judges an answer to GET /models that is an error.
func (a *account) refused(e *llm.Error) {
	c := Check{"models", Warn, "GET /models: " + e.Message, "not every server lists its models; the calls below tell whether they work"}
	switch e.Kind {
	case llm.KindProviderAuth:
		a.broken = true
		c = Check{"key", Fail, e.Message, a.keyAdvice()}
	case llm.KindQuotaExhausted:
		a.broken = true
		c = Check{"credit", Fail, e.Message, "the account has no credit or met its spend limit: look at the provider's billing page"}
	case llm.KindRejected:
		if u, err := url.Parse(a.Provider.URL()); err == nil && strings.Trim(u.Path, "/") == "" && e.ProviderStatus == http.StatusNotFound {
			c.Do = "base_url has no version part; most servers want one, such as /v1"
		}
	}
	a.add(c)
}

func (a *account) keyAdvice() string {
	if a.Provider.APIKey.Empty() {
		return "the server wants a key: set api_key of providers." + a.Provider.Name
	}
	return "the key is refused: check api_key of providers." + a.Provider.Name + " (is it for this provider, project and region? was it revoked?)"
}

// pick chooses a model to call where none is named: the cheapest that has a price, else the first that looks as if it chats.
func (a *account) pick(prices *model.Table) string {
	best, bestCost := "", int64(0)
	for _, id := range a.listed {
		if !looksLikeChat(id) {
			continue
		}
		var info *model.Info
		if prices != nil && !a.Simulated {
			info, _ = prices.Lookup(a.pricedAs, id)
		}
		cost, priced := info.Cost(llm.Usage{Input: promptTokens, Output: promptTokens}, "")
		switch {
		case priced && info.Kind == "chat" && (bestCost == 0 || cost < bestCost):
			best, bestCost = id, cost
		case best == "":
			best = id
		}
	}
	return best
}

// looksLikeChat guesses by its name whether a model answers chat completions.
func looksLikeChat(id string) bool {
	id = strings.ToLower(id)
	return !slices.ContainsFunc([]string{
		"embed", "whisper", "tts", "audio", "image", "dall-e", "moderation", "rerank", "realtime", "transcribe", "sora", "search", "instruct", "guard",
		"davinci", "babbage", "codex", "computer-use", "deep-research",
	}, func(other string) bool { return strings.Contains(id, other) })
}
