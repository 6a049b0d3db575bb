// Package upstream makes one attempt at one provider account: it signs and sends a request, guards the answer with the
// call's timeouts, and classifies whatever goes wrong. It knows the kinds of providers (preset.go): where each has which operation,
// in which dialect, and how it wants to be paid. It never retries, queues or chooses (that is gateway's work) and knows no bodies
// (that is wire's). It owns the account's connections; its goroutines are those of net/http.
package upstream

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"time"

	"sluice/internal/llm"
	"sluice/internal/wire/http1"
)

// Account is one provider account: an address, credentials and pooled connections. It is safe for concurrent use and
// lives across configuration reloads that leave its settings alone.
type Account struct {
	// Set once.
	name     string
	preset   *Preset
	base     *url.URL
	header   http.Header // set on every request; shared, never changed
	fallback http.Header // set where neither client nor surface has the header; shared, never changed
	tr       *http.Transport
	plain    *http1.Transport // for plain HTTP without a proxy; nil if that is not the way to the provider
	tokens   *tokens          // of accounts whose credential is a token that ends; nil for others
	signer   *signer          // of accounts that sign; nil for others

	secrets     []string          // that the provider is sent, and could repeat
	responses   bool              // Responses calls are forwarded
	hasClaude   bool              // the kind has Anthropic's models beside others
	lean        bool              // of a client's headers only User-Agent goes on, whatever its dialect
	deployments map[string]string // Azure: by model
	classic     bool              // Azure: deployments stand in the path
	apiVersion  string            // Azure: for the query
}

// Open prepares an account. No connection is made.
func Open(p *Provider) (*Account, error) {
	preset := PresetOf(p.Kind())
	if preset == nil {
		return nil, fmt.Errorf("open provider %q: there is no api %q", p.Name, p.Kind())
	}
	u, err := url.Parse(p.URL())
	if err != nil {
		return nil, fmt.Errorf("parse base_url of provider %q: %w", p.Name, err)
	}
	a := &Account{name: p.Name, preset: preset, base: u, tr: newTransport(p), responses: p.nativeResponses(), lean: preset == &bedrock, secrets: secretsOf(p)}
	a.hasClaude = slices.ContainsFunc(preset.Offers, func(o Offer) bool { return o.Claude })
	if preset == &azure {
		a.deployments = p.Deployments
		a.classic, a.apiVersion = p.azureVersion()
	}
	if preset == &anthropic {
		a.fallback = http.Header{"Anthropic-Version": {cmp.Or(p.APIVersion, anthropicVersion)}}
	}
	if a.header, err = a.ownHeader(p); err != nil {
		return nil, err
	}
	if proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u}); u.Scheme == "http" && proxy == nil && err == nil && p.Connections == 0 {
		a.plain = newPlain(u)
	}
	return a, nil
}

// ownHeader makes what is set on every request. What the operator names goes over all else.
func (a *Account) ownHeader(p *Provider) (http.Header, error) {
	h := make(http.Header, len(p.Headers)+4)
	h["Content-Type"] = []string{"application/json"}
	if err := a.credentials(p, h); err != nil {
		return nil, err
	}
	if p.Organization != "" {
		h["Openai-Organization"] = []string{p.Organization}
	}
	if p.Project != "" && a.preset == &openAI {
		h["Openai-Project"] = []string{p.Project}
	}
	for name, value := range p.Headers {
		h.Set(name, value.Reveal())
	}
	return h, nil
}

// Preset returns what is known of the account's kind.
func (a *Account) Preset() *Preset { return a.preset }

// Name returns the account's name in the configuration.
func (a *Account) Name() string { return a.name }

// Host returns the host that the account talks to.
func (a *Account) Host() string { return a.base.Host }

// Connect returns when the attempt had a connection, counted from its start.
func (an *Answer) Connect() time.Duration { return time.Duration(an.guard.conn.Load()) }

// Close closes idle connections. Attempts under way are not touched.
func (a *Account) Close() {
	a.tr.CloseIdleConnections()
	if a.plain != nil {
		a.plain.CloseIdleConnections()
	}
}

// Request is one attempt's request. Body must not change until the answer is closed.
type Request struct {
	Method      string
	Path        string // appended to the account's base, begins with "/", escaped
	Query       string // raw; credentials in it are left out
	Body        []byte
	Header      http.Header // the client's headers; what may not leave is left out
	TraceParent string      // sent instead of the client's; empty for none
	Limits      Limits
	Stream      bool

	// Foreign says that the client speaks another dialect than the provider: then of its headers only User-Agent goes on.
	Foreign bool
	// Set are headers of the surface. They go over the client's, and under the account's own.
	Set http.Header
	// ContentType is that of the body; empty for JSON.
	ContentType string
	// Upload is the body instead of Body: it is read once, so that such a request is never sent again. UploadLength is its size in
	// bytes, negative if it is not known. It may be read until the answer is closed, or for a moment after Send failed; if it is an
	// io.Closer it is closed then.
	Upload       io.Reader
	UploadLength int64
}

// Limits are the timeouts of one attempt, each counted from the end of the one before unless it says otherwise. Zero means
// none.
type Limits struct {
	Connect    time.Duration // from the start of the attempt to a usable connection
	Headers    time.Duration // to the response headers
	FirstToken time.Duration // from the connection to the first content token of a stream
	Idle       time.Duration // between two pieces of the answer
	End        time.Time     // of the call as a whole
	EndSetting string        // what sets End, for the error
}

// Answer is a provider's answer whose headers have arrived. Close must be called.
type Answer struct {
	Status int
	Header http.Header
	Length int64 // Content-Length, -1 if unknown
	stream bool
	body   io.ReadCloser
	guard  *guard
}

// Send sends a request and waits for response headers. The error is classified; its Sent field tells whether the
// provider can have seen the request. Canceling ctx ends the attempt at once, also while the body is read: the
// cause of ctx becomes the error if it is an *llm.Error, else the error is of KindCanceled.
//
// Where the credential is a token, it is had first. A token that the provider refuses with 401 is replaced, and the request sent
// once more: it was not worked on. An Upload, which cannot be read twice, is not; the next request has another token.
func (a *Account) Send(ctx context.Context, rq *Request) (*Answer, *llm.Error) {
	if a.tokens == nil {
		return a.attempt(ctx, rq, "")
	}
	token, e := a.token(ctx, rq, "")
	if e != nil {
		return nil, e
	}
	answer, e := a.attempt(ctx, rq, token)
	if e != nil || answer.Status != http.StatusUnauthorized {
		return answer, e
	}
	if rq.Upload != nil {
		a.tokens.drop(token)
		return answer, nil
	}
	answer.Finish()
	if token, e = a.token(ctx, rq, token); e != nil {
		return nil, e
	}
	return a.attempt(ctx, rq, token)
}

// token gets an access token within the call's time.
func (a *Account) token(ctx context.Context, rq *Request, refused string) (string, *llm.Error) {
	if end := rq.Limits.End; !end.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, end, totalTimeout(rq.Limits.EndSetting))
		defer cancel()
	}
	return a.tokens.get(ctx, refused)
}

// attempt sends a request once.
func (a *Account) attempt(ctx context.Context, rq *Request, token string) (*Answer, *llm.Error) {
	g, ctx := newGuard(ctx, rq.Limits)
	hr, e := a.request(rq, token)
	if e != nil {
		g.stop()
		return nil, e
	}
	trace := &httptrace.ClientTrace{GotConn: g.connected}
	resp, err := a.roundTrip(hr.WithContext(httptrace.WithClientTrace(ctx, trace)), rq)
	if err != nil {
		failure := a.sendError(g, err)
		g.stop()
		return nil, failure
	}
	dropHops(resp.Header, resp.Header)
	g.headersArrived(rq.Stream && resp.StatusCode < 300)
	g.answer = Answer{Status: resp.StatusCode, Header: resp.Header, Length: resp.ContentLength, stream: rq.Stream, body: resp.Body, guard: g}
	return &g.answer, nil
}

// request makes the HTTP request, but for its body.
func (a *Account) request(rq *Request, token string) (*http.Request, *llm.Error) {
	u := &url.URL{Scheme: a.base.Scheme, Host: a.base.Host, RawQuery: filterQuery(rq.Query, forwardParam)}
	if strings.IndexByte(rq.Path, '%') < 0 && a.base.RawPath == "" {
		u.Path = a.base.Path + rq.Path
	} else {
		u.RawPath = a.base.EscapedPath() + rq.Path
		path, err := url.PathUnescape(u.RawPath)
		if err != nil {
			return nil, llm.Errorf(llm.KindBadRequest, "the path %.200q is not escaped as a URL's must be", rq.Path)
		}
		u.Path = path
	}
	hr := &http.Request{
		Method: rq.Method, URL: u, Host: a.base.Host, Header: a.outgoing(rq),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		ContentLength: int64(len(rq.Body)),
	}
	if rq.Upload != nil {
		hr.ContentLength = max(rq.UploadLength, -1)
	}
	switch {
	case token != "":
		hr.Header["Authorization"] = []string{"Bearer " + token}
	case a.signer != nil:
		if e := a.signer.sign(hr, rq); e != nil {
			return nil, e
		}
	}
	return hr, nil
}

// Read reads from the body. For an answer that is no stream, each read that brings data re-arms the idle limit. For a
// stream that is up to Progress: providers keep a line open with comments for minutes, without a token.
func (an *Answer) Read(p []byte) (int, error) {
	n, err := an.body.Read(p)
	if n > 0 && !an.stream {
		an.guard.progress()
	}
	return n, err
}

// Progress re-arms the idle limit of a stream.
func (an *Answer) Progress() { an.guard.progress() }

// Fail classifies an error of Read, io.EOF included: an end that comes too early.
func (an *Answer) Fail(err error) *llm.Error {
	if e := an.guard.cause(); e != nil {
		return e
	}
	e := llm.Errorf(llm.KindTruncated, "the provider's answer ended before it was complete")
	e.Sent, e.ProviderStatus = llm.WasSent, an.Status
	if err != io.EOF {
		e.Err = err
	}
	return e
}

// FirstToken tells the guard that the first content token has arrived.
func (an *Answer) FirstToken() { an.guard.firstToken() }

// Finish reads what is left of an answer whose end has been seen, for at most a moment, so that the connection can be
// used again, and closes it.
func (an *Answer) Finish() {
	an.guard.drain()
	var scrap [512]byte
	for {
		if _, err := an.body.Read(scrap[:]); err != nil {
			break
		}
	}
	an.Close()
}

// Close ends the attempt. A body that was not read to its end costs its connection, and the provider sees a cancel.
func (an *Answer) Close() {
	an.guard.stop()
	_ = an.body.Close() // nothing depends on it
}
