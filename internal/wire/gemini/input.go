package gemini

import (
	"bytes"
	"strconv"
	"strings"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// How the input is counted. Text is counted as it reads when unescaped, which a tokens-per-byte ratio can be applied to. Media
// are estimated in tokens: Google counts an image as 258 tokens or as many for each tile of 768 pixels, a second of
// audio as 32, a second of video as 263, and a page of a document as 258 (ai.google.dev/gemini-api/docs/tokens, 2026-08).
const (
	// messageBytes is for the delimiters around a content: about three tokens.
	messageBytes = 12

	imageTokens  = 258
	audioTokens  = 32  // a second
	videoTokens  = 263 // a second
	audioRate    = 16_000
	videoRate    = 250_000 // bytes a second
	pageBytes    = 50_000  // of a document
	linkedLength = 60      // seconds that media of unknown size are taken to have
	linkedPages  = 10
)

// input adds up the contents ahead, or a content.
func (p *parser) input(path string) *llm.Error {
	switch k := p.sc.Kind(); k {
	case wire.Array:
		p.sc.Array()
		for p.sc.Element() {
			p.r.InputBytes += messageBytes + p.size()
		}
	case wire.Object, wire.String, wire.Null:
		p.r.InputBytes += messageBytes + p.size()
	default:
		return p.wrong(path, k, "an array or an object")
	}
	if p.sc.Err() != nil {
		return p.sc.Syntax()
	}
	return nil
}

// size passes over the value ahead and returns the bytes that it counts for.
func (p *parser) size() (n int) {
	switch p.sc.Kind() {
	case wire.String:
		v := p.sc.Value()
		return p.sc.StringLen(v)
	case wire.Array:
		p.sc.Array()
		for p.sc.Element() {
			n += p.size()
		}
		return n
	case wire.Object:
		return p.members()
	case wire.Number:
		return p.sc.Value().Len()
	default:
		p.sc.Value()
		return 0
	}
}

// members adds up the object ahead.
func (p *parser) members() (n int) {
	p.sc.Object()
	for {
		name, ok := p.sc.Member()
		switch {
		case !ok:
			return n
		case sameField(name, "inlineData"), sameField(name, "fileData"):
			p.media()
		case sameField(name, "thoughtSignature"):
			if at := p.sc.Value(); sealed(at.Of(p.body)) {
				p.r.edits = append(p.r.edits, edit{at, true})
			}
		case string(name) == "role", sameField(name, "mimeType"):
			p.sc.Value() // not shown to the model
		case string(name) == "args", string(name) == "response":
			n += p.sc.Value().Len()
		default:
			n += p.size()
		}
	}
}

// media adds the estimate for inlineData or fileData to MediaTokens.
func (p *parser) media() {
	if !p.sc.Object() {
		p.sc.Value()
		return
	}
	var mime string
	size := 0
	for {
		name, ok := p.sc.Member()
		if !ok {
			break
		}
		is := sameField(name, "mimeType")
		data := string(name) == "data"
		at := p.sc.Value()
		switch lit := at.Of(p.body); {
		case is && len(lit) > 2 && lit[0] == '"' && len(lit) < 128:
			mime = string(wire.Unquote(nil, lit))
		case data:
			size = at.Len() / 4 * 3
		}
	}
	p.r.MediaTokens += mediaTokens(mime, size)
}

// mediaTokens estimates the tokens of media with size bytes, 0 if that is not known.
func mediaTokens(mime string, size int) int64 {
	kind, _, _ := strings.Cut(strings.ToLower(mime), "/")
	units := func(each, linked int) int64 {
		if size == 0 {
			return int64(linked)
		}
		return int64(max(1, size/each))
	}
	switch kind {
	case "audio":
		return audioTokens * units(audioRate, linkedLength)
	case "video":
		return videoTokens * units(videoRate, linkedLength)
	case "image", "":
		return imageTokens
	case "text":
		return int64(size / 4)
	default:
		return imageTokens * units(pageBytes, linkedPages)
	}
}

// join returns the path of a member.
func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// index returns the path of an element.
func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// begins reports whether b, without white space around it, begins with c.
func begins(b []byte, c byte) bool {
	b = bytes.TrimLeft(b, " \t\r\n")
	return len(b) > 0 && b[0] == c
}
