package ingress

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"sluice/internal/dialect"
	"sluice/internal/gateway"
	"sluice/internal/llm"
	"sluice/internal/wire/gemini"
)

// entry is what a path stands for.
type entry struct {
	serve  func(s *Server, w http.ResponseWriter, r *http.Request, en *entry)
	front  llm.Dialect
	op     llm.Op
	path   string // below the front's version, for targets of the same dialect
	id     string // what the path names: a model of the list, a stored response, a provider
	model  string // that the path names for a call (Gemini)
	stream bool   // the path asks for a stream (Gemini)
	// prepare, if set, has the last word on an exchange before it goes to the gateway.
	prepare func(s *Server, ctx context.Context, x *gateway.Exchange) *llm.Error
}

// codec returns the codec of the entry's front.
func (en *entry) codec() *dialect.Codec { return dialect.Of(en.front) }

// find returns what is at a request's path. Whose dialect a path is, and so in which one a client is told of an error, is known
// for every path.
func find(r *http.Request) entry {
	path := r.URL.Path
	if strings.HasPrefix(path, "/p/") {
		return entry{serve: (*Server).raw, front: frontOf(r.Header), op: llm.OpRaw}
	}
	if id, ok := streamID(path); ok {
		return entry{serve: (*Server).recordedStream, front: streamFront(path, r.Header), id: id}
	}
	if rest, ok := strings.CutPrefix(path, "/gemini"); ok && (rest == "" || rest[0] == '/') {
		return findGemini(rest)
	}
	if rest, ok := strings.CutPrefix(path, "/anthropic"); ok && (rest == "" || rest[0] == '/') {
		return findAnthropic(rest)
	}
	if strings.HasPrefix(path, "/v1beta") {
		return findGemini(path)
	}
	if len(r.Header["Anthropic-Version"]) > 0 && !strings.HasPrefix(path, "/admin/") {
		if en := findAnthropic(path); en.serve != nil {
			return en
		}
	}
	// Google's SDKs ask for version v1 by default (@google/genai 3.1.0, seen 2026-11-21), where OpenAI's list of models is too: a call
	// is known by its path, the list by the headers that they send.
	if strings.HasPrefix(path, "/v1/") || strings.HasPrefix(path, "/v1alpha/") {
		en := findGemini(path)
		if en.serve != nil && (r.Method == http.MethodPost && en.op != 0 || len(r.Header["X-Goog-Api-Client"]) > 0 || len(r.Header["X-Goog-Api-Key"]) > 0) {
			return en
		}
	}
	en := findOpenAI(path)
	front := frontOf(r.Header)
	if front != llm.OpenAI && strings.HasPrefix(en.path, "/files") {
		en.serve = nil // the other dialects' files have another form, and are not kept here
	}
	if en.serve == nil {
		en.front = front
	}
	return en
}

// frontOf tells from the headers that SDKs send with each request whose dialect a client reads errors in, where the path does not.
func frontOf(h http.Header) llm.Dialect {
	switch {
	case len(h["Anthropic-Version"]) > 0:
		return llm.Anthropic
	case len(h["X-Goog-Api-Client"]) > 0 || len(h["X-Goog-Api-Key"]) > 0:
		return llm.Gemini
	}
	return llm.OpenAI
}

// findOpenAI returns what is at a path of OpenAI's. The version may be missing.
func findOpenAI(path string) entry {
	en := entry{front: llm.OpenAI, path: strings.TrimPrefix(path, "/v1")}
	switch en.path {
	case "/chat/completions":
		en.serve, en.op = (*Server).call, llm.OpChat
	case "/completions":
		en.serve, en.op = (*Server).call, llm.OpCompletion
	case "/embeddings":
		en.serve, en.op = (*Server).call, llm.OpEmbedding
	case "/moderations":
		en.serve, en.op = (*Server).call, llm.OpModeration
	case "/rerank":
		en.serve, en.op, en.front = (*Server).call, llm.OpRerank, llm.Jina
	case "/v2/rerank", "/cohere/v2/rerank":
		en.serve, en.op, en.front, en.path = (*Server).call, llm.OpRerank, llm.Cohere, "/rerank"
	case "/v2/embed", "/cohere/v2/embed":
		en.serve, en.op, en.front, en.path = (*Server).call, llm.OpEmbedding, llm.Cohere, "/embed"
	case "/images/generations", "/images/edits", "/images/variations":
		en.serve, en.op = (*Server).media, llm.OpImage
	case "/audio/speech":
		en.serve, en.op = (*Server).call, llm.OpSpeech
	case "/audio/transcriptions", "/audio/translations":
		en.serve, en.op = (*Server).media, llm.OpTranscription
	case "/models":
		en.serve = (*Server).models
	case "/messages", "/messages/count_tokens":
		return findAnthropic(path)
	case "/capabilities":
		en.serve = (*Server).capabilities
	case "/healthz", "/readyz":
		en.serve = (*Server).healthy
	case "/":
		en.serve = (*Server).root
	default:
		if strings.HasPrefix(en.path, "/responses") {
			return findResponses(en.path)
		}
		if strings.HasPrefix(en.path, "/files") {
			return findFiles(en.path)
		}
		if id, ok := strings.CutPrefix(en.path, "/models/"); ok {
			en.serve, en.id = (*Server).models, id
		}
	}
	return en
}

// findAnthropic returns what is at a path of Anthropic's.
func findAnthropic(path string) entry {
	en := entry{front: llm.Anthropic, path: strings.TrimPrefix(path, "/v1")}
	switch en.path {
	case "/messages":
		en.serve, en.op = (*Server).call, llm.OpChat
	case "/messages/count_tokens":
		en.serve, en.op = (*Server).call, llm.OpCountTokens
	case "/models":
		en.serve = (*Server).models
	default:
		if id, ok := strings.CutPrefix(en.path, "/models/"); ok {
			en.serve, en.id = (*Server).models, id
		}
	}
	return en
}

// findGemini returns what is at a path of Gemini's.
func findGemini(path string) entry {
	en := entry{front: llm.Gemini}
	_, model, method, ok := gemini.SplitPath(path)
	if !ok {
		_, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/") // after the version
		if rest == "models" {
			en.serve = (*Server).models
		} else if id, ok := strings.CutPrefix(rest, "models/"); ok {
			en.serve, en.id = (*Server).models, id
		}
		return en
	}
	en.model, en.path = model, ":"+method
	switch method {
	case "generateContent":
		en.op = llm.OpChat
	case "streamGenerateContent":
		en.op, en.stream = llm.OpChat, true
	case "embedContent", "batchEmbedContents":
		en.op = llm.OpEmbedding
	case "countTokens":
		en.op = llm.OpCountTokens
	default:
		return en
	}
	en.serve = (*Server).call
	return en
}

// paths lists what a client that asks for something else can have, by front.
func paths(front llm.Dialect) string {
	switch front {
	case llm.Anthropic:
		return "/anthropic/v1/messages, /anthropic/v1/messages/count_tokens and /anthropic/v1/models"
	case llm.Gemini:
		return "/gemini/v1beta/models and, of a model, :generateContent, :streamGenerateContent, :embedContent, :batchEmbedContents and :countTokens"
	}
	return "/v1/chat/completions, /v1/completions, /v1/responses, /v1/embeddings, /v1/moderations, /v1/rerank, /v1/images/*, /v1/audio/*, " +
		"/v1/files, /v1/streams/{id}, /v1/models, /v1/capabilities, /v2/embed, /v2/rerank, /anthropic/v1/*, /gemini/v1beta/* and /p/{provider}/*"
}

// unknownPath says that there is nothing at a path, and what to do about it: what providers have besides is relayed to one account.
func unknownPath(path string, front llm.Dialect) *llm.Error {
	bare := path
	for _, prefix := range [...]string{"/anthropic", "/gemini", "/cohere"} {
		if rest, ok := strings.CutPrefix(path, prefix+"/"); ok {
			bare = "/" + rest
		}
	}
	name := strings.TrimPrefix(bare, "/upload")
	for _, version := range [...]string{"/v1beta", "/v1alpha", "/v1"} {
		if rest, ok := strings.CutPrefix(name, version+"/"); ok {
			name = "/" + rest
			break
		}
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(name, "/"), "/")
	switch {
	case first == "realtime":
		return llm.Errorf(llm.KindUnknownPath, "there is nothing at %s; the realtime API is not offered, and WebSockets are not relayed", path)
	case relayed(first) || strings.HasPrefix(name, "/messages/batches") || strings.HasSuffix(name, ":batchGenerateContent"):
		return llm.Errorf(llm.KindUnknownPath, "there is nothing at %s; /p/{provider}%s relays it to one account", path, bare)
	}
	return llm.Errorf(llm.KindUnknownPath, "there is nothing at %s; this gateway answers %s", path, paths(front))
}

// relayed reports whether the first part of a path is that of an API which providers have and Sluice only relays.
func relayed(first string) bool {
	switch first {
	case "files", "uploads", "batches", "fine_tuning", "assistants", "threads", "vector_stores", "conversations", "containers", "evals",
		"videos", "skills", "cachedContents", "tunedModels", "fileSearchStores", "operations":
		return true
	}
	return false
}

// cleanQuery returns a raw query without the parameters that carry credentials, and those by which a front chooses the form of an
// answer: how a target is asked for it is another matter.
func cleanQuery(raw string) string {
	if raw == "" {
		return ""
	}
	var kept []string
	for pair := range strings.SplitSeq(raw, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if decoded, err := url.QueryUnescape(name); err == nil {
			name = decoded
		}
		switch strings.ToLower(name) {
		case "key", "api_key", "api-key", "access_token", "alt", "$alt", "":
			continue
		}
		kept = append(kept, pair)
	}
	return strings.Join(kept, "&")
}
