package openai

import (
	"encoding/base64"
	"path"
	"strings"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// content reads a text, or an array of parts.
func (r *chatReader) content(v []byte, at *place) []llm.Part {
	if kindOfValue(v) == wire.String {
		return []llm.Part{{Kind: llm.PartText, Text: r.text(v, at)}}
	}
	if k := kindOfValue(v); k != wire.Array {
		r.fail(at, "%s is %s; it must be a string or an array", at, k)
		return nil
	}
	var parts []llm.Part
	r.array(v, at, func(i int, v []byte) {
		if kindOfValue(v) == wire.String { // some clients send texts for parts
			parts = append(parts, llm.Part{Kind: llm.PartText, Text: r.text(v, at.element(i))})
			return
		}
		parts = append(parts, r.part(v, at.element(i)))
	})
	return parts
}

// part reads one part of a message. A kind that is not known is kept as it is.
func (r *chatReader) part(v []byte, at *place) llm.Part {
	var kind string
	r.object(v, at, func(name string, v []byte) {
		if name == "type" {
			kind = r.text(v, at.member(name))
		}
	})
	switch {
	case r.err != nil:
		return llm.Part{}
	case kind == "":
		r.fail(at.member("type"), "%s is missing", at.member("type"))
		return llm.Part{}
	case !known(kind):
		return llm.Part{Kind: llm.PartOther, Raw: string(v), Origin: llm.OpenAI}
	}
	var p llm.Part
	var ttl, signature string
	r.object(v, at, func(name string, v []byte) {
		at := at.member(name)
		switch name {
		case kind:
			p = r.partOf(kind, v, at)
		case "prompt_cache_breakpoint":
			ttl = r.cacheTTL(v, at, "30m")
		case "cache_control":
			ttl = r.cacheTTL(v, at, "5m")
		case "extra_content":
			signature = r.googleSignature(v, at)
		case "type", "index", "annotations":
		default:
			r.extra(at.String(), v)
		}
	})
	if p.Kind == 0 {
		r.fail(at.member(kind), "%s is missing", at.member(kind))
	}
	p.CacheTTL = ttl
	if signature != "" {
		p.Signature, p.Origin = signature, llm.Gemini
	}
	return p
}

// known reports whether a part of this type has a word in llm.
func known(kind string) bool {
	switch kind {
	case "text", "refusal", "image_url", "input_audio", "file", "thinking":
		return true
	}
	return false
}

func (r *chatReader) partOf(kind string, v []byte, at *place) llm.Part {
	switch kind {
	case "refusal":
		return llm.Part{Kind: llm.PartRefusal, Text: r.text(v, at)}
	case "image_url":
		return r.image(v, at)
	case "input_audio":
		return r.audio(v, at)
	case "file":
		return r.file(v, at)
	case "thinking": // Mistral: text, or parts with text
		if kindOfValue(v) == wire.Array {
			var all strings.Builder
			for _, p := range r.content(v, at) {
				all.WriteString(p.Text)
			}
			return llm.Part{Kind: llm.PartThinking, Text: all.String()}
		}
		return llm.Part{Kind: llm.PartThinking, Text: r.text(v, at)}
	}
	return llm.Part{Kind: llm.PartText, Text: r.text(v, at)}
}

// cacheTTL reads a prompt-cache breakpoint: OpenAI's prompt_cache_breakpoint, or Anthropic's cache_control.
func (r *chatReader) cacheTTL(v []byte, at *place, ttl string) string {
	r.object(v, at, func(name string, v []byte) {
		if name == "ttl" {
			ttl = r.text(v, at.member(name))
		}
	})
	return ttl
}

func (r *chatReader) image(v []byte, at *place) llm.Part {
	p := llm.Part{Kind: llm.PartImage}
	if kindOfValue(v) == wire.String {
		r.address(&p, r.text(v, at), at)
		return p
	}
	r.object(v, at, func(name string, v []byte) {
		switch name {
		case "url":
			r.address(&p, r.text(v, at.member(name)), at.member(name))
		case "detail":
			p.Detail = r.oneOf(v, at.member(name), "auto", "low", "high", "original")
		default:
			r.extra(at.member(name).String(), v)
		}
	})
	if r.err == nil && p.URL == "" && p.Data == "" {
		r.fail(at.member("url"), "%s is missing", at.member("url"))
	}
	return p
}

// address takes a URL, or the data that it holds.
func (r *chatReader) address(p *llm.Part, s string, at *place) {
	if len(s) < 5 || !strings.EqualFold(s[:5], "data:") {
		p.URL = s
		return
	}
	mime, data, ok := dataURI(s)
	if !ok || mime == "" || data == "" {
		r.fail(at, "%s is %q; a data URI must be data:<type>;base64,<data>", at, wire.Readable(wire.Clip([]byte(s), 64)))
		return
	}
	p.MIME, p.Data = mime, data
}

func (r *chatReader) audio(v []byte, at *place) llm.Part {
	p := llm.Part{Kind: llm.PartAudio}
	r.object(v, at, func(name string, v []byte) {
		switch name {
		case "data":
			s := r.text(v, at.member(name))
			if _, data, ok := dataURI(s); ok {
				s = data
			}
			p.Data = s
		case "format":
			p.MIME = audioMIME(r.text(v, at.member(name)))
		default:
			r.extra(at.member(name).String(), v)
		}
	})
	switch {
	case r.err != nil:
	case p.Data == "":
		r.fail(at.member("data"), "%s is missing", at.member("data"))
	case p.MIME == "":
		r.fail(at.member("format"), "%s is missing", at.member("format"))
	}
	return p
}

func (r *chatReader) file(v []byte, at *place) llm.Part {
	p := llm.Part{Kind: llm.PartFile}
	data := ""
	r.object(v, at, func(name string, v []byte) {
		switch name {
		case "file_data":
			data = r.text(v, at.member(name))
		case "file_id":
			p.FileID, p.Origin = r.text(v, at.member(name)), llm.OpenAI
		case "filename":
			p.Name = r.text(v, at.member(name))
		default:
			r.extra(at.member(name).String(), v)
		}
	})
	switch {
	case r.err != nil:
	case data == "" && p.FileID == "":
		r.fail(at, "%s has neither file_data nor file_id", at)
	case strings.HasPrefix(data, "https://"), strings.HasPrefix(data, "http://"): // OpenRouter
		p.URL = data
	case len(data) > 5 && strings.EqualFold(data[:5], "data:"):
		r.address(&p, data, at.member("file_data"))
	case data != "":
		p.MIME, p.Data = fileMIME(p.Name), data
	}
	return p
}

// fileMIME guesses the type of a file by its name; documents are mostly PDF.
func fileMIME(name string) string {
	switch strings.ToLower(path.Ext(name)) {
	case ".txt", ".md", ".csv":
		return "text/plain"
	case ".json":
		return "application/json"
	case ".html", ".htm":
		return "text/html"
	case ".png":
		return "image/png"
	case ".jpg", ".jpeg":
		return "image/jpeg"
	}
	return "application/pdf"
}

// audioMIME returns the type of a format in OpenAI's words.
func audioMIME(format string) string {
	switch format = strings.ToLower(format); format {
	case "mp3":
		return "audio/mpeg"
	case "":
		return ""
	case "pcm16":
		return "audio/pcm"
	}
	return "audio/" + format
}

// audioFormat returns OpenAI's word for a type.
func audioFormat(mime string) string {
	_, sub, _ := strings.Cut(mime, "/")
	sub, _, _ = strings.Cut(sub, ";")
	switch sub = strings.TrimPrefix(strings.ToLower(sub), "x-"); sub {
	case "mpeg", "mpga":
		return "mp3"
	case "wave", "":
		return "wav"
	case "pcm", "l16":
		return "pcm16"
	}
	return sub
}

// audioType tells the type of audio in base64 by its first bytes: answers have the format that was asked for and do not
// repeat it.
func audioType(data string) string {
	head, _ := base64.StdEncoding.DecodeString(data[:min(len(data), 16)&^3])
	switch s := string(head); {
	case strings.HasPrefix(s, "RIFF"):
		return "audio/wav"
	case strings.HasPrefix(s, "ID3"), strings.HasPrefix(s, "\xff\xfb"), strings.HasPrefix(s, "\xff\xf3"):
		return "audio/mpeg"
	case strings.HasPrefix(s, "OggS"):
		return "audio/ogg"
	case strings.HasPrefix(s, "fLaC"):
		return "audio/flac"
	}
	return "audio/pcm"
}
