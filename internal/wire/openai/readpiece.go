package openai

import (
	"encoding/base64"
	"encoding/json"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// takePiece makes events of one piece.
func (r *reader) takePiece(dst []llm.Event, t *track, p *piece) []llm.Event {
	switch p.kind {
	case pieceProbs:
		t.probs = appendProbs(t.probs, p.text.Of(r.body))
	case piecePlain, pieceThinking:
		return r.say(dst, t, p, llm.PartThinking)
	case pieceText:
		return r.say(dst, t, p, llm.PartText)
	case pieceRefusal:
		return r.say(dst, t, p, llm.PartRefusal)
	case pieceDetail:
		return r.takeDetail(dst, t, p)
	case pieceAnnotations:
		t.cites = appendCitations(t.cites, p.text.Of(r.body))
	case pieceMark:
		t.mark = r.unquote(p.sign)
	case pieceImage:
		return r.takeImage(dst, t, p)
	case pieceAudio:
		return r.takeAudio(dst, t, p)
	case pieceTool:
		return r.takeTool(dst, t, p)
	}
	return dst
}

func (r *reader) unquote(lit wire.Span) string {
	if lit.Len() < 2 {
		return ""
	}
	return wire.TextOf(lit.Of(r.body))
}

// unescaped returns the text of a literal in the reader's own memory. What is no string is returned as it is written.
func (r *reader) unescaped(at wire.Span) []byte {
	lit := at.Of(r.body)
	start := len(r.text)
	if len(lit) > 0 && lit[0] == '"' {
		r.text = wire.Unquote(r.text, lit)
	} else {
		r.text = append(r.text, lit...)
	}
	return r.text[start:]
}

// say adds text to the part that is under way, if it is of the kind, or else begins one.
func (r *reader) say(dst []llm.Event, t *track, p *piece, kind llm.PartKind) []llm.Event {
	last := t.last()
	if last == nil || last.kind != kind || last.sign != "" {
		last = t.open(&pending{kind: kind, index: -1, plain: p.kind == piecePlain})
	}
	return t.write(dst, last, r.unescaped(p.text))
}

// unrepeated returns the pieces of a delta without thinking that they hold twice. OpenRouter sends the same text as reasoning and in
// reasoning_details, Together as reasoning and as reasoning_content; Sluice sends it plain, and once more with the signature at
// the end. Details win, unless the thought under way came plain.
// plain says that the thought under way came plain.
func unrepeated(plain bool, pieces []piece) []piece {
	plains, details := 0, false
	for i := range pieces {
		switch p := &pieces[i]; {
		case p.kind == piecePlain:
			plains++
		case p.kind == pieceDetail:
			details = details || p.text.Len() > 0
		}
	}
	if plains < 2 && !details {
		return pieces
	}
	kept, taken := pieces[:0], false
	for _, p := range pieces {
		switch {
		case p.kind == piecePlain && (details && !plain || taken):
			continue
		case p.kind == piecePlain:
			taken = true
		case p.kind == pieceDetail && plain:
			p.text = wire.Span{}
		}
		kept = append(kept, p)
	}
	return kept
}

// takeDetail takes an entry of reasoning_details: text of a thought, what proves it, or something encrypted.
func (r *reader) takeDetail(dst []llm.Event, t *track, p *piece) []llm.Event {
	body := r.body
	origin := llm.OpenAI
	if p.format.Len() > 0 {
		origin = originOf(r.unquote(p.format))
	}
	closed := wire.EqualString(p.name.Of(body), detailEncrypted)
	kind := llm.PartThinking
	if closed {
		kind = encrypted(origin)
	}
	last := t.last()
	same := last != nil && last.kind == llm.PartThinking && kind == llm.PartThinking && last.sign == "" &&
		(last.index == p.index || last.index < 0 || p.index < 0 || last.id != "" && wire.EqualString(p.id.Of(body), last.id))
	if !same {
		if p.text.Len() == 0 && p.sign.Len() == 0 {
			return dst
		}
		last = t.open(&pending{kind: kind, index: p.index, id: r.unquote(p.id)})
	}
	if p.text.Len() > 0 {
		dst = t.write(dst, last, r.unescaped(p.text))
	}
	if p.sign.Len() > 0 {
		last.sign, last.origin = r.unquote(p.sign), origin
	}
	return t.advance(dst)
}

// takeTool takes a call, or a fragment of one.
func (r *reader) takeTool(dst []llm.Event, t *track, p *piece) []llm.Event {
	call := r.find(t, p)
	if call == nil {
		call = t.open(&pending{kind: llm.PartToolCall, index: p.index, custom: p.custom})
		t.tools = append(t.tools, call)
	}
	if call.closed {
		if p.text.Len() > 0 {
			return append(dst, llm.Event{Kind: llm.EventMalformed})
		}
		return dst
	}
	if call.name == "" && p.name.Len() > 0 {
		call.name = r.unquote(p.name)
	}
	if call.id == "" && p.id.Len() > 0 {
		call.id = r.unquote(p.id)
	}
	if call.id == "" && call.name != "" {
		call.id = callID(r.id, t.index, len(t.tools), call.name)
	}
	if p.sign.Len() > 0 {
		call.sign, call.origin = r.unquote(p.sign), llm.Gemini
	}
	if p.text.Len() > 0 {
		return t.write(dst, call, r.unescaped(p.text))
	}
	return t.advance(dst)
}

// find returns the call that a fragment belongs to; nil if it begins one. Fragments belong together by their index. Where it is
// missing, a call begins with another id, or, without ids, with a name after whole arguments. Gemini gives all calls the index
// 0, so another id with a name begins one too.
func (r *reader) find(t *track, p *piece) *pending {
	if r.whole || len(t.tools) == 0 {
		return nil
	}
	last := t.tools[len(t.tools)-1]
	id := p.id.Of(r.body)
	if p.index >= 0 {
		for i := len(t.tools) - 1; i >= 0; i-- {
			if q := t.tools[i]; q.index == p.index {
				if p.name.Len() > 0 && len(id) > 0 && q.name != "" && !wire.EqualString(id, q.id) {
					continue
				}
				return q
			}
		}
		return nil
	}
	if len(id) > 0 {
		for _, q := range t.tools {
			if wire.EqualString(id, q.id) {
				return q
			}
		}
		return nil
	}
	if p.name.Len() > 0 && last.name != "" && (last.json.done || !wire.EqualString(p.name.Of(r.body), last.name)) {
		return nil
	}
	return last
}

// takeImage takes an image, which comes whole.
func (r *reader) takeImage(dst []llm.Event, t *track, p *piece) []llm.Event {
	raw := p.text.Of(r.body)
	d := chatReader{c: new(llm.Chat)}
	var outer struct {
		ImageURL json.RawMessage `json:"image_url"`
		Extra    json.RawMessage `json:"extra_content"`
	}
	if json.Unmarshal(raw, &outer) == nil && outer.ImageURL != nil {
		raw = outer.ImageURL
	}
	media := d.image(raw, nil)
	if d.err != nil {
		return append(dst, llm.Event{Kind: llm.EventMalformed})
	}
	part := &pending{kind: llm.PartImage, index: -1, media: &media}
	if outer.Extra != nil {
		if part.sign = d.googleSignature(outer.Extra, nil); part.sign != "" {
			part.origin = llm.Gemini
		}
	}
	t.open(part)
	return t.advance(dst)
}

// takeAudio takes a piece of audio. There is one for an answer, told when it is whole.
func (r *reader) takeAudio(dst []llm.Event, t *track, p *piece) []llm.Event {
	var v struct{ ID, Data, Transcript string }
	if json.Unmarshal(p.text.Of(r.body), &v) != nil {
		return append(dst, llm.Event{Kind: llm.EventMalformed})
	}
	if v.ID == "" && v.Data == "" && v.Transcript == "" {
		return dst
	}
	if t.audio == nil {
		t.audio = &pending{kind: llm.PartAudio, index: -1, media: &llm.Part{Kind: llm.PartAudio}}
	}
	m := t.audio.media
	if m.FileID == "" && v.ID != "" {
		m.FileID = v.ID
		t.audio.origin = llm.OpenAI
	}
	m.Data = joinBase64(m.Data, v.Data)
	t.audio.held = append(t.audio.held, v.Transcript...)
	return dst
}

// joinBase64 joins two texts in base64, of which the first may end with padding.
func joinBase64(a, b string) string {
	if b == "" || len(a)%4 == 0 && (a == "" || a[len(a)-1] != '=') {
		return a + b
	}
	raw, err := base64.StdEncoding.DecodeString(a)
	more, err2 := base64.StdEncoding.DecodeString(b)
	if err != nil || err2 != nil {
		return a + b
	}
	return base64.StdEncoding.EncodeToString(append(raw, more...))
}

// appendProbs reads a choice's logprobs. Servers that send another form than OpenAI's have none.
func appendProbs(probs []llm.Logprob, raw []byte) []llm.Logprob {
	type token struct {
		Token   string   `json:"token"`
		Logprob *float64 `json:"logprob"`
		Bytes   []int    `json:"bytes"`
		Top     []token  `json:"top_logprobs"`
	}
	var v struct {
		Content []token `json:"content"`
		Refusal []token `json:"refusal"`
	}
	if json.Unmarshal(raw, &v) != nil {
		return probs
	}
	var read func(t *token) llm.Logprob
	read = func(t *token) llm.Logprob {
		p := llm.Logprob{Token: t.Token}
		if t.Logprob != nil {
			p.Logprob = *t.Logprob
		}
		if t.Bytes != nil {
			p.Bytes = make([]byte, len(t.Bytes))
			for i, b := range t.Bytes {
				p.Bytes[i] = byte(b)
			}
		}
		for i := range t.Top {
			p.Top = append(p.Top, read(&t.Top[i]))
		}
		return p
	}
	for _, all := range [][]token{v.Content, v.Refusal} {
		for i := range all {
			probs = append(probs, read(&all[i]))
		}
	}
	return probs
}

// appendCitations reads annotations. Places are in characters until the text is there.
func appendCitations(cites []llm.Citation, raw []byte) []llm.Citation {
	var all []struct {
		Type string `json:"type"`
		URL  struct {
			URL     string `json:"url"`
			Title   string `json:"title"`
			Content string `json:"content"`
			Start   int    `json:"start_index"`
			End     int    `json:"end_index"`
		} `json:"url_citation"`
	}
	if json.Unmarshal(raw, &all) != nil {
		return cites
	}
	for i := range all {
		if c := &all[i].URL; all[i].Type == "url_citation" {
			cites = append(cites, llm.Citation{URL: c.URL, Title: c.Title, Quote: c.Content, Start: c.Start, End: c.End})
		}
	}
	return cites
}
