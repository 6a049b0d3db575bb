package ingress

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"sluice/internal/gateway"
	"sluice/internal/llm"
	"sluice/internal/model"
	"sluice/internal/wire"
)

// Limits on what a client may write into the ledger.
const (
	maxTags   = 16
	maxTagLen = 64
	maxUser   = 128
	maxModel  = 256
)

// call takes one operation in a front's dialect from the request to the gateway.
func (s *Server) call(w http.ResponseWriter, r *http.Request, en *entry) {
	start := time.Now()
	settings := s.settings.Load()
	x := &gateway.Exchange{Path: en.path, Query: cleanQuery(r.URL.RawQuery), Header: r.Header}
	x.Call = llm.Call{ID: newID(start), Op: en.op, Front: en.front, Start: start}
	x.Head.Array = en.stream && !strings.Contains(r.URL.RawQuery, "alt=sse")
	rp := &reply{w: w, stall: settings.Clients.WriteStall, codec: en.codec(), id: x.Call.ID, array: x.Head.Array}
	setID(w.Header(), en.front, x.Call.ID)

	if r.Header.Get("Last-Event-Id") != "" && mayStream(en.op) {
		s.goOnReading(w, r, en, rp)
		return
	}
	asked, e := replayAsked(r.Header, settings)
	if e == nil {
		e = s.read(x, w, r, settings, en, &asked)
	}
	if e == nil && en.prepare != nil {
		e = en.prepare(s, r.Context(), x)
	}
	if e != nil {
		s.refuse(w, r, en, e)
		return
	}
	x.Checked = time.Now()
	if asked.wanted(x, settings) {
		s.record(rp, r, en, x, &asked)
		return
	}
	rp.keepAlive(settings.KeepAlive, en.op, x.Call.Stream, r.Header)
	defer rp.stop() // also when the call panics
	s.calls.Do(r.Context(), x, rp)
	rp.end()
}

// setID sets the headers that name a call, in the words of all that look for it.
func setID(h http.Header, front llm.Dialect, id string) {
	value := []string{id}
	h["X-Sluice-Request-Id"], h["X-Request-Id"] = value, value
	if front == llm.Anthropic {
		h["Request-Id"] = value
	}
}

// read checks a request and fills in the exchange.
func (s *Server) read(x *gateway.Exchange, w http.ResponseWriter, r *http.Request, c *Config, en *entry, asked *asked) *llm.Error {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return methodError(r, http.MethodPost)
	}
	e := s.enter(x, w, r)
	if e != nil {
		return e
	}
	if x.Body, e = readBody(w, r, c); e != nil {
		return e
	}
	asked.sum(r, x.Body)
	if en.op == llm.OpModeration {
		x.Body = withModel(x.Body)
	}
	if x.Body, e = s.expand(r.Context(), x.Body, en.op, en.codec(), x.Call.Key); e != nil {
		return e
	}
	if x.Request, e = en.codec().Parse(x.Call.Op, x.Body); e != nil {
		return e
	}
	rq := x.Request.Fields()
	if en.model != "" {
		rq.Model, rq.Stream = en.model, en.stream
	}
	x.Head.Usage = rq.IncludeUsage
	return fill(&x.Call, rq, r.Header, x)
}

// enter finds out who calls, while the gateway takes calls.
func (s *Server) enter(x *gateway.Exchange, w http.ResponseWriter, r *http.Request) *llm.Error {
	if s.draining.Load() {
		w.Header().Set("Connection", "close")
		e := llm.Errorf(llm.KindDraining, "the gateway is shutting down")
		e.RetryAfter = time.Second
		return e
	}
	begin := time.Now()
	key, e := s.keys.Authenticate(r.Context(), credential(r))
	x.Auth = time.Since(begin)
	if e != nil {
		return e
	}
	if key.Name() == "" {
		if e := checkOrigin(r); e != nil {
			return e
		}
	}
	x.Key, x.Call.Key = key, key.Name()
	return nil
}

// fill copies what the body and the headers say into the call.
func fill(call *llm.Call, rq *wire.Request, h http.Header, x *gateway.Exchange) *llm.Error {
	if len(rq.Model) > maxModel {
		e := llm.Errorf(llm.KindBadRequest, "the model name is longer than %d bytes", maxModel)
		e.Param = "model"
		return e
	}
	call.Model, call.Stream, call.Choices = rq.Model, rq.Stream, rq.Choices
	call.MaxTokens, call.InputTokens = rq.MaxTokens, model.EstimateTokens(rq.InputBytes)+rq.MediaTokens
	call.User = clip(rq.User, maxUser)
	call.TraceParent = h.Get("Traceparent")
	call.Region = clip(h.Get("X-Sluice-Region"), maxTagLen)
	x.Retried, _ = strconv.Atoi(h.Get("X-Stainless-Retry-Count")) // absent or odd means 0
	call.Class = classOf(call.Front, rq.ServiceTier)
	if v := h.Get("X-Sluice-Class"); v != "" {
		class, ok := llm.ParseClass(v)
		if !ok {
			return llm.Errorf(llm.KindBadRequest, "X-Sluice-Class is %.40q; it must be interactive, background or bulk", v)
		}
		call.Class = class
	}
	if v := h.Get("X-Sluice-Deadline"); v != "" {
		d, err := time.ParseDuration(v)
		if err != nil || d <= 0 {
			return llm.Errorf(llm.KindBadRequest, "X-Sluice-Deadline is %.40q; it must be a positive duration such as 30s", v)
		}
		call.Deadline = call.Start.Add(d)
	}
	if v := h.Get("X-Sluice-Tags"); v != "" {
		call.Tags = parseTags(v)
		if len(call.Tags) > maxTags || slices.ContainsFunc(call.Tags, func(t string) bool { return len(t) > maxTagLen }) {
			return llm.Errorf(llm.KindBadRequest, "X-Sluice-Tags may name %d tags of %d bytes at most", maxTags, maxTagLen)
		}
	}
	return nil
}

// classOf is the class that a request asks for by its service tier. What the provider makes of the tier is its own business: it is sent on
// as it came. Only OpenAI's dialects have a client choose between three: default is then the middle one, what is not said is interactive.
// In other dialects the same word means that nothing special is asked for.
func classOf(front llm.Dialect, tier string) llm.Class {
	switch tier {
	case "flex":
		return llm.Bulk
	case "default":
		if front == llm.OpenAI || front == llm.Responses {
			return llm.Background
		}
	}
	return llm.Interactive // priority and fast, auto, and what providers call their own tiers
}

func parseTags(v string) []string {
	var tags []string
	for tag := range strings.SplitSeq(v, ",") {
		if tag = strings.TrimSpace(tag); tag != "" {
			tags = append(tags, tag)
		}
	}
	return tags
}

// clip cuts s to at most n bytes, at a character.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}

// readBody reads a request's body whole: an attempt may have to be sent twice, and a provider may answer before it has
// read everything, which breaks a body that is still on its way. Reading to the end also lets net/http notice
// a client that leaves.
func readBody(w http.ResponseWriter, r *http.Request, c *Config) ([]byte, *llm.Error) {
	if e := checkCoding(r); e != nil {
		return nil, e
	}
	if r.ContentLength > c.MaxBody {
		return nil, tooLarge(w, c)
	}
	body, err := readUpTo(r.Body, r.ContentLength, c.MaxBody)
	switch {
	case err == nil:
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // unsupported by some test writers only
		return body, nil
	case errors.Is(err, errTooLarge):
		return nil, tooLarge(w, c)
	case errors.Is(err, os.ErrDeadlineExceeded) || isTimeout(err):
		w.Header().Set("Connection", "close")
		return nil, llm.Errorf(llm.KindSlowClient, "the body did not arrive within %v (clients.read_body)", c.Clients.ReadBody)
	case r.Context().Err() == nil && !lost(err):
		w.Header().Set("Connection", "close")
		return nil, llm.Errorf(llm.KindBadRequest, "the body cannot be read: %v", err) // bad chunks
	default:
		return nil, &llm.Error{Kind: llm.KindCanceled, Message: "the client closed the connection before its body was complete", Err: err}
	}
}

// checkCoding refuses a body that would have to be unpacked to be read.
func checkCoding(r *http.Request) *llm.Error {
	if enc := r.Header.Get("Content-Encoding"); enc != "" && enc != "identity" {
		return llm.Errorf(llm.KindBadRequest, "the body has content encoding %.40q; send it plain", enc)
	}
	return nil
}

func tooLarge(w http.ResponseWriter, c *Config) *llm.Error {
	w.Header().Set("Connection", "close")
	return llm.Errorf(llm.KindTooLarge, "the body is over %d bytes (max_body)", c.MaxBody)
}

var errTooLarge = errors.New("body over the limit")

// lost reports whether a body broke off with its connection.
func lost(err error) bool {
	_, broken := errors.AsType[*net.OpError](err)
	return broken || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// firstBody is how much memory a body's stated length is trusted for. A client that states a large body and does not
// send it must not cost its size.
const firstBody = 256 << 10

// readUpTo reads a body of a known (>= 0) or unknown length, of at most limit bytes.
func readUpTo(r io.Reader, length, limit int64) ([]byte, error) {
	if length >= 0 {
		body := make([]byte, min(length, firstBody))
		n, err := io.ReadFull(r, body)
		for err == nil && int64(n) < length {
			body = append(body, make([]byte, min(int64(n), length-int64(n)))...)
			var more int
			more, err = io.ReadFull(r, body[n:])
			n += more
		}
		return body, err
	}
	body, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(body)) > limit {
		err = errTooLarge
	}
	return body, err
}

func isTimeout(err error) bool {
	ne, ok := errors.AsType[net.Error](err)
	return ok && ne.Timeout()
}
