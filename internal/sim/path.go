package sim

import (
	"net/http"
	"net/url"
	"strings"

	"sluice/internal/llm"
)

// host is the kind of service that a dialect is spoken by, where that makes a difference on the wire.
type host uint8

const (
	onDirect host = iota // the dialect's own maker
	onAzure
	onVertex
	onBedrock
)

// action is what is asked for where the operation alone does not say it.
type action uint8

const (
	actCall    action = iota // the operation itself
	actList                  // the models, or one of them
	actBatch                 // embeddings for many inputs (Gemini)
	actPredict               // embeddings in Vertex's older form
	actEdit                  // of an image, by a form
	actStored                // an answer that was made before (Responses)
	actToken                 // a token for a service account
	actOwn                   // the simulator's own paths
)

// ask is what the path of a request says.
type ask struct {
	dialect llm.Dialect
	host    host
	op      llm.Op
	action  action
	model   string // in the path; "" if it stands in the body
	stream  bool   // by the path
	array   bool   // the stream is a JSON array (Gemini without alt=sse)
	rest    string // of the path: an id, with what follows it
}

// posts are the paths of calls whose body has the model, below the version.
var posts = map[string]ask{
	"/chat/completions":      {dialect: llm.OpenAI, op: llm.OpChat},
	"/completions":           {dialect: llm.OpenAI, op: llm.OpCompletion},
	"/embeddings":            {dialect: llm.OpenAI, op: llm.OpEmbedding},
	"/moderations":           {dialect: llm.OpenAI, op: llm.OpModeration},
	"/images/generations":    {dialect: llm.OpenAI, op: llm.OpImage},
	"/images/edits":          {dialect: llm.OpenAI, op: llm.OpImage, action: actEdit},
	"/images/variations":     {dialect: llm.OpenAI, op: llm.OpImage, action: actEdit},
	"/audio/speech":          {dialect: llm.OpenAI, op: llm.OpSpeech},
	"/audio/transcriptions":  {dialect: llm.OpenAI, op: llm.OpTranscription},
	"/audio/translations":    {dialect: llm.OpenAI, op: llm.OpTranscription},
	"/responses":             {dialect: llm.Responses, op: llm.OpChat},
	"/messages":              {dialect: llm.Anthropic, op: llm.OpChat},
	"/messages/count_tokens": {dialect: llm.Anthropic, op: llm.OpCountTokens},
	"/rerank":                {dialect: llm.Jina, op: llm.OpRerank},
	"/embed":                 {dialect: llm.Cohere, op: llm.OpEmbedding},
}

// route reads the path of a request. ok is false if there is nothing there.
func route(r *http.Request) (a ask, ok bool) {
	path := r.URL.EscapedPath()
	if rest, found := strings.CutPrefix(path, "/v1"); found {
		if a, ok = posts[rest]; ok && a.dialect == llm.OpenAI {
			return a, true // the way of nearly all requests
		}
	}
	switch {
	case path == "/token":
		return ask{dialect: llm.Gemini, host: onVertex, action: actToken}, true
	case strings.HasPrefix(path, "/model/"):
		return routeBedrock(strings.TrimPrefix(path, "/model/"))
	case strings.HasPrefix(path, "/openai/deployments/"):
		model, rest, _ := strings.Cut(strings.TrimPrefix(path, "/openai/deployments/"), "/")
		a, ok = posts["/"+rest]
		a.host, a.model = onAzure, unescape(model)
		return a, ok && a.dialect == llm.OpenAI
	case path == "/v2/embed" || path == "/v2/rerank":
		a = posts[strings.TrimPrefix(path, "/v2")]
		a.dialect = llm.Cohere
		return a, true
	}
	if a, ok = routeGoogle(path, r.URL); ok {
		return a, true
	}
	return routeVersion(path, r.Header)
}

// routeVersion reads the paths of OpenAI, Anthropic and those like them. The version may be left out.
func routeVersion(path string, h http.Header) (a ask, ok bool) {
	path = strings.TrimPrefix(path, "/v1beta")        // of Gemini's endpoint for clients of OpenAI
	path = strings.TrimPrefix(path, "/compatibility") // of Cohere's
	rest := strings.TrimPrefix(path, "/openai")
	keyed := rest != path && h.Get("Api-Key") != ""
	rest = strings.TrimPrefix(strings.TrimPrefix(rest, "/anthropic"), "/v1")
	switch {
	case strings.HasPrefix(rest, "/sim/"):
		return ask{action: actOwn, rest: rest}, true
	case strings.HasPrefix(rest, "/responses/"):
		a = ask{dialect: llm.Responses, op: llm.OpChat, action: actStored, rest: strings.TrimPrefix(rest, "/responses/")}
	case rest == "/models" || strings.HasPrefix(rest, "/models/"):
		a = ask{dialect: llm.OpenAI, action: actList, rest: unescape(strings.TrimPrefix(rest[len("/models"):], "/"))}
		if h.Get("Anthropic-Version") != "" {
			a.dialect = llm.Anthropic
		}
	default:
		if a, ok = posts[rest]; !ok {
			return a, false
		}
	}
	if keyed {
		a.host = onAzure
	}
	return a, true
}

// routeGoogle reads the paths of the Gemini API and of Vertex AI, where the operation follows the model after a colon.
func routeGoogle(path string, u *url.URL) (a ask, ok bool) {
	rest, ok := cutVersion(path)
	if !ok {
		return a, false
	}
	a = ask{dialect: llm.Gemini}
	if at := strings.Index(rest, "/publishers/"); at >= 0 && strings.HasPrefix(rest, "/projects/") {
		a.host = onVertex
		rest = rest[at+len("/publishers/"):]
		publisher, after, _ := strings.Cut(rest, "/")
		if publisher == "anthropic" {
			a.dialect = llm.Anthropic
		}
		rest = "/" + after
	}
	if rest == "/models" && strings.HasPrefix(path, "/v1beta") {
		a.action = actList
		return a, true
	}
	name, found := strings.CutPrefix(rest, "/models/")
	at := strings.LastIndexByte(name, ':')
	if a.host == onDirect && found && at < 0 && strings.HasPrefix(path, "/v1beta") {
		a.action, a.rest = actList, unescape(name)
		return a, true
	}
	if !found || at < 0 {
		return a, false
	}
	a.model = unescape(name[:at])
	return a, a.googleVerb(name[at+1:], u)
}

// googleVerb notes what a verb stands for.
func (a *ask) googleVerb(verb string, u *url.URL) bool {
	if a.dialect == llm.Anthropic {
		switch {
		case verb == "rawPredict" && a.model == "count-tokens":
			a.op, a.model = llm.OpCountTokens, ""
		case verb == "rawPredict":
			a.op = llm.OpChat
		case verb == "streamRawPredict":
			a.op, a.stream = llm.OpChat, true
		default:
			return false
		}
		return true
	}
	switch verb {
	case "generateContent":
		a.op = llm.OpChat
	case "streamGenerateContent":
		a.op, a.stream, a.array = llm.OpChat, true, u.Query().Get("alt") != "sse"
	case "countTokens":
		a.op = llm.OpCountTokens
	case "embedContent":
		a.op = llm.OpEmbedding
	case "batchEmbedContents":
		a.op, a.action = llm.OpEmbedding, actBatch
	case "predict":
		a.op, a.action = llm.OpEmbedding, actPredict
		return a.host == onVertex
	default:
		return false
	}
	return true
}

// cutVersion takes Google's version off a path.
func cutVersion(path string) (rest string, ok bool) {
	for _, v := range []string{"/v1beta1/", "/v1beta/", "/v1alpha/", "/v1/"} {
		if rest, ok = strings.CutPrefix(path, v); ok {
			return "/" + rest, true
		}
	}
	return "", false
}

// routeBedrock reads a path below /model/.
func routeBedrock(rest string) (a ask, ok bool) {
	at := strings.LastIndexByte(rest, '/')
	if at < 1 {
		return a, false
	}
	a = ask{dialect: llm.Converse, host: onBedrock, op: llm.OpChat, model: unescape(rest[:at])}
	switch rest[at+1:] {
	case "converse":
	case "converse-stream":
		a.stream = true
	case "invoke":
		a.dialect = llm.Anthropic
	case "invoke-with-response-stream":
		a.dialect, a.stream = llm.Anthropic, true
	case "count-tokens":
		a.op = llm.OpCountTokens
	default:
		return a, false
	}
	return a, true
}

func unescape(s string) string {
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}
