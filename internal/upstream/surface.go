package upstream

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// Ask is one operation on one model, as a front has it.
type Ask struct {
	Op     llm.Op
	Front  llm.Dialect
	Model  string // the provider's name
	Stream bool
	Path   string      // of the front, below its version: "/images/edits"; what is relayed raw: below the account's base
	Query  string      // raw, without credentials
	Header http.Header // the client's; may be nil
}

// Surface is how an account answers an Ask: in which dialect, and where.
type Surface struct {
	Dialect llm.Dialect
	Method  string // POST if empty
	Path    string // appended to the account's base, escaped as it is sent
	Query   string // raw
	Frames  Frames // of a streamed answer
	// Change says what of the body differs beside the request for usage, whether the body is forwarded or was written here. Its Model
	// is the name that the body has to carry, where that is not the target's (a deployment at Azure); empty leaves the target's.
	Change wire.Change
	Header http.Header // goes into Request.Set; may be nil
	// Items is the largest number of inputs that the operation takes at once here; 0 sets no limit beside the model's own.
	Items int
}

// Frames is the framing of a stream.
type Frames uint8

// The framings.
const (
	FrameSSE  Frames = iota
	FrameAWS         // application/vnd.amazon.eventstream
	FrameJSON        // an array of JSON objects
)

// Surface returns how the account answers an operation. ok is false if it cannot. What is relayed raw goes where the client
// points, below the account's base. The result may share memory with the account: it must not be written to.
func (a *Account) Surface(ask *Ask) (s Surface, ok bool) {
	if ask.Op == llm.OpRaw {
		return a.raw(ask)
	}
	o := a.offer(ask)
	if o == nil {
		return Surface{}, false
	}
	s = Surface{Dialect: o.Dialect, Path: o.Path, Frames: FrameSSE, Change: o.Change, Items: o.Items}
	if ask.Stream {
		s.Frames, s.Query = o.Frames, o.Query
		if o.Stream != "" {
			s.Path = o.Stream
		}
	}
	if ask.Front == o.Dialect {
		s.Query = joinQuery(withoutParam(ask.Query, "alt", o.Dialect == llm.Gemini), s.Query)
	}
	model := ask.Model
	if name := a.deployments[model]; name != "" {
		model, s.Change.Model = name, name
	}
	if a.apiVersion != "" {
		s.Query = joinQuery(withoutParam(s.Query, "api-version", true), "api-version="+url.QueryEscape(a.apiVersion))
	}
	if a.classic && o.Dialect == llm.OpenAI {
		s.Path = "/deployments/{model}" + s.Path
	}
	if strings.Contains(s.Path, "{model}") {
		if model == "" || model == "." || model == ".." {
			return Surface{}, false // it would name another path
		}
		s.Path = withModel(s.Path, model)
	}
	if o.Claude && ask.Front == llm.Anthropic {
		s.Change.Set = ofClient(s.Change.Set, ask.Header, a.preset == &bedrock)
	}
	return s, true
}

// Supports reports whether the account can answer an operation of a front on a model, in its dialect or another.
func (a *Account) Supports(op llm.Op, front llm.Dialect, model string) bool {
	_, ok := a.Surface(&Ask{Op: op, Front: front, Model: model, Path: "/"})
	return ok
}

// offer finds the row that answers an ask; nil if there is none.
//
//  1. Rows for the front's dialect alone go first; the Responses API counts where the account has it and is to use it.
//  2. Where a kind has Anthropic's models beside others, the name decides.
//  3. Of rows that differ in their path only (images/generations, images/edits), the client's path decides.
//  4. A provider of another dialect answers completions as chats.
func (a *Account) offer(ask *Ask) *Offer {
	best := a.match(ask, ask.Op)
	if best == nil && ask.Op == llm.OpCompletion {
		if best = a.match(ask, llm.OpChat); best != nil && best.Dialect == llm.OpenAI {
			return nil
		}
	}
	return best
}

func (a *Account) match(ask *Ask, op llm.Op) *Offer {
	isClaude := a.hasClaude && claude(ask.Model)
	severalPaths := op == llm.OpImage || op == llm.OpTranscription
	var best *Offer
	for i := range a.preset.Offers {
		o := &a.preset.Offers[i]
		if o.Op != op || o.Front != 0 && o.Front != ask.Front || o.Claude != isClaude {
			continue
		}
		if o.Dialect == llm.Responses && !a.responses {
			continue
		}
		if severalPaths && len(ask.Path) > 1 && ask.Front == llm.OpenAI && o.Path != ask.Path {
			continue
		}
		if o.Front == ask.Front && (o.Dialect == llm.Responses || verb(o.Path) == verb(ask.Path)) {
			return o
		}
		if best == nil && o.Front == 0 {
			best = o
		}
	}
	return best
}

// verb returns what is after the last colon of a path: embedContent of /models/m:embedContent.
func verb(path string) string { return path[strings.LastIndexByte(path, ':')+1:] }

// raw is for what is relayed without being understood.
func (a *Account) raw(ask *Ask) (Surface, bool) {
	if !strings.HasPrefix(ask.Path, "/") || !cleanPath(ask.Path) {
		return Surface{}, false
	}
	s := Surface{Dialect: a.preset.Dialect(), Path: ask.Path, Query: ask.Query}
	if a.apiVersion != "" && !hasParam(s.Query, "api-version") {
		s.Query = joinQuery(s.Query, "api-version="+url.QueryEscape(a.apiVersion))
	}
	return s, true
}

// cleanPath reports whether a path stays below the base that it is appended to, in the eyes of servers that resolve dots too.
func cleanPath(escaped string) bool {
	path, err := url.PathUnescape(escaped)
	if err != nil || strings.ContainsAny(path, "\\\x00\r\n") {
		return false
	}
	for part := range strings.SplitSeq(path, "/") {
		if part == ".." || part == "." {
			return false
		}
	}
	return true
}

// withModel puts a model's name into a path. At Google a name may come with its collection: models/x is x; a tuned model or an
// endpoint stands in one of its own.
func withModel(path, model string) string {
	before, after, found := strings.Cut(path, "{model}")
	if !found {
		return path
	}
	if strings.HasSuffix(before, "/models/") {
		model = strings.TrimPrefix(model, "models/")
		for _, collection := range []string{"tunedModels/", "endpoints/"} {
			if id, ok := strings.CutPrefix(model, collection); ok {
				before, model = "/"+collection, id
			}
		}
	}
	return before + segment(model) + after
}

// segment escapes a model's name as one segment of a path: all but letters, digits and -._~ as the AWS SDK does, so that the
// colon and slashes of an ARN are escaped too.
func segment(model string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(model) {
		c := model[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
	return b.String()
}

// ofClient puts what a client of Anthropic's dialect says in headers into the body, where the clouds want it: a version beyond the
// first, and, for Bedrock, beta features. Anthropic's own clients do the same (anthropic-sdk-go v2.12.0, read 2026-11-21).
func ofClient(set []llm.Member, h http.Header, betas bool) []llm.Member {
	set = slices.Clone(set)
	if v := h.Get("Anthropic-Version"); v != "" && v != anthropicVersion {
		i := slices.IndexFunc(set, func(m llm.Member) bool { return m.Name == "anthropic_version" })
		set[i].Value = quote(v)
	}
	if !betas {
		return set
	}
	var names []string
	for _, v := range h["Anthropic-Beta"] {
		for name := range strings.SplitSeq(v, ",") {
			if name = strings.TrimSpace(name); name != "" {
				names = append(names, name)
			}
		}
	}
	if len(names) > 0 {
		set = append(set, llm.Member{Name: "anthropic_beta", Value: quote(names)})
	}
	return set
}

// quote writes strings as JSON.
func quote(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic("BUG: marshal strings: " + err.Error())
	}
	return string(text)
}

func joinQuery(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "&" + b
}

// withoutParam leaves a parameter out of a raw query, if drop is true. The rest keeps its bytes.
func withoutParam(query, name string, drop bool) string {
	if !drop {
		return query
	}
	return filterQuery(query, func(n string) bool { return n != name })
}

func hasParam(query, name string) bool { return withoutParam(query, name, true) != query }

// filterQuery keeps the parameters of a raw query whose names, unescaped and in lower case, are wanted.
func filterQuery(query string, keep func(name string) bool) string {
	if query == "" {
		return ""
	}
	var kept []string
	for part := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(part, "=")
		plain, err := url.QueryUnescape(name)
		if err != nil || part == "" || !keep(strings.ToLower(plain)) {
			continue
		}
		kept = append(kept, part)
	}
	return strings.Join(kept, "&")
}
