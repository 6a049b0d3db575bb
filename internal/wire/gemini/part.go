package gemini

import (
	"hash/fnv"
	"strconv"
	"strings"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// rawPart is a part as it stands in a body.
type rawPart struct {
	kind      llm.PartKind // 0 if there is nothing in it
	value     wire.Span    // of the member that the kind comes from
	whole     wire.Span
	signature wire.Span
	rest      []llm.Member // members that go with the data, such as videoMetadata
	result    bool         // a functionResponse
	link      bool         // fileData
}

// empty reports whether the part says nothing. go-genai writes a part with an empty text as {}.
func (p *rawPart) empty() bool {
	return p.kind == 0 || (p.kind == llm.PartText || p.kind == llm.PartThinking) && p.value.Len() <= 2 && p.signature.Len() <= 2
}

// scanPart reads the part ahead, which has been validated.
func scanPart(sc *wire.Scanner, b []byte) (p rawPart) {
	sc.Kind() // passes over white space
	p.whole.Start = sc.Pos()
	if !sc.Object() {
		sc.Value()
		return p
	}
	thought := false
	for {
		member, ok := sc.Member()
		if !ok {
			break
		}
		kind := sc.Kind()
		switch string(member) {
		case "text":
			if v := sc.Value(); kind == wire.String && p.kind == 0 {
				p.kind, p.value = llm.PartText, v
			}
		case "thought":
			v := sc.Value()
			thought = kind == wire.Bool && b[v.Start] == 't'
		case "thoughtSignature", "thought_signature":
			p.signature = only(wire.String, kind, sc.Value())
		case "functionCall":
			if v := sc.Value(); kind == wire.Object {
				p.kind, p.value = llm.PartToolCall, v
			}
		default:
			name := string(member) // valid until the value is read
			p.member(name, kind, sc.Value(), b)
		}
	}
	p.whole.End = sc.Pos()
	switch {
	case p.kind == llm.PartText && thought, p.kind == 0 && p.signature.Len() > 2 && thought:
		p.kind = llm.PartThinking
	case p.kind == 0 && p.signature.Len() > 2:
		p.kind = llm.PartText
	}
	return p
}

// member takes a member whose value is v.
func (p *rawPart) member(name string, kind wire.Kind, v wire.Span, b []byte) {
	var is llm.PartKind
	switch camel(name) {
	case "functionCall":
		is = llm.PartToolCall
	case "functionResponse":
		is, p.result = llm.PartToolResult, true
	case "inlineData":
		is = llm.PartFile
	case "fileData":
		is, p.link = llm.PartFile, true
	case "executableCode", "codeExecutionResult", "toolCall", "toolResponse":
		is = llm.PartOther
	case "videoMetadata", "mediaResolution", "partMetadata", "mediaProcessing", "audioTranscription", "speechMetadata":
		p.rest = append(p.rest, llm.Member{Name: name, Value: string(v.Of(b))})
		return
	default:
		if p.kind == 0 {
			p.kind, p.value = llm.PartOther, v
		}
		return
	}
	if kind == wire.Object {
		p.kind, p.value = is, v
	}
}

// media returns a part that is neither text nor a call nor a result, without its signature. Its kind is by its MIME type.
func (p *rawPart) media(b []byte) *llm.Part {
	if p.kind != llm.PartFile {
		return &llm.Part{Kind: llm.PartOther, Raw: string(appendCompact(nil, p.whole.Of(b))), Origin: llm.Gemini}
	}
	m := readMedia(p.value.Of(b), p.link)
	return &m
}

// readMedia reads an inlineData or fileData object that has been validated.
func readMedia(b []byte, link bool) (p llm.Part) {
	var sc wire.Scanner
	sc.Reset(b)
	sc.Object()
	for {
		name, ok := sc.Member()
		if !ok {
			break
		}
		var into *string
		switch {
		case sameField(name, "mimeType"):
			into = &p.MIME
		case !link && string(name) == "data":
			into = &p.Data
		case link && sameField(name, "fileUri"):
			into = &p.URL
		case sameField(name, "displayName"):
			into = &p.Name
		}
		if v := unquote(sc.Value().Of(b)); into != nil {
			*into = v
		}
	}
	switch kind, _, _ := strings.Cut(p.MIME, "/"); {
	case kind == "image":
		p.Kind = llm.PartImage
	case kind == "audio":
		p.Kind = llm.PartAudio
	default:
		p.Kind = llm.PartFile
	}
	if isUploaded(p.URL) {
		// Only Google can read it, with the account's credentials.
		p.FileID, p.URL, p.Origin = p.URL, "", llm.Gemini
	}
	return p
}

// isUploaded reports whether a URI is that of a file which was uploaded to the Gemini API.
func isUploaded(uri string) bool {
	return strings.HasPrefix(uri, "https://generativelanguage.googleapis.com/") || strings.HasPrefix(uri, "files/")
}

// rawCall is a functionCall as it stands in a body.
type rawCall struct {
	id, name string
	args     []byte  // JSON; nil if there are none
	pieces   []piece // of partialArgs
	more     bool    // willContinue
}

// readCall reads a functionCall object that has been validated. Nothing is allocated but its strings.
func readCall(b []byte) (c rawCall) {
	var sc wire.Scanner
	sc.Reset(b)
	sc.Object()
	for {
		name, ok := sc.Member()
		if !ok {
			return c
		}
		kind := sc.Kind()
		switch string(name) {
		case "id":
			c.id = unquote(sc.Value().Of(b))
		case "name":
			c.name = unquote(sc.Value().Of(b))
		case "args":
			if v := sc.Value(); kind == wire.Object {
				c.args = v.Of(b)
			}
		case "partialArgs", "partial_args":
			c.pieces = readPieces(sc.Value().Of(b))
		case "willContinue", "will_continue":
			v := sc.Value()
			c.more = kind == wire.Bool && b[v.Start] == 't'
		default:
			sc.Value()
		}
	}
}

// madePrefix begins the ids of calls for which the provider gave none. They are not sent back to it.
const madePrefix = "call_gm"

// madeID makes an id of a call: the same for the same call, and another for any other.
func madeID(answer string, choice, n int, name string, args []byte) string {
	h := fnv.New64a()
	var b []byte
	b = append(append(b, answer...), 0)
	b = append(strconv.AppendInt(b, int64(choice), 10), 0)
	b = append(strconv.AppendInt(b, int64(n), 10), 0)
	b = append(append(b, name...), 0)
	b = append(b, args...)
	h.Write(b) // never fails
	id := strconv.FormatUint(h.Sum64(), 16)
	return madePrefix + strings.Repeat("0", 16-len(id)) + id
}

// appendCompact appends valid JSON without the white space between its tokens, and {} for none.
func appendCompact(dst, b []byte) []byte {
	if len(b) == 0 {
		return append(dst, '{', '}')
	}
	text, start := false, 0
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case text && c == '\\':
			i++
		case c == '"':
			text = !text
		case !text && (c == ' ' || c == '\n' || c == '\r' || c == '\t'):
			dst = append(dst, b[start:i]...)
			start = i + 1
		}
	}
	return append(dst, b[start:]...)
}
