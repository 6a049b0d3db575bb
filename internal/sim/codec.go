package sim

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"

	"sluice/internal/dialect"
	"sluice/internal/llm"
)

// codecVoice is the stream of a chat in any dialect but OpenAI's: the answer goes through the events of llm and the server's
// end of the dialect's codec.
type codecVoice struct {
	x      *exchange
	writer llm.EventWriter
	parts  []openPart // by choice
	folder *llm.Folder
	frames *framer // of AWS; nil for text
	event  llm.Event
	usage  llm.Usage
	raw    []byte // what the writer made of one event
}

// openPart is the part of one choice that is being written.
type openPart struct {
	kind   llm.PartKind // 0 if none
	hash   uint64       // of its text
	signed bool         // a call has the signature already (Gemini)
}

// speak answers a chat in a dialect other than OpenAI's.
func (x *exchange) speak(id string) error {
	d := x.ask.dialect
	x.head.ID = prefixOf(d) + id
	choices := newPlanner(x, id).plan()
	x.fx.settle(planned(choices), &x.rng)
	for i := range choices {
		renameCalls(&choices[i], d)
	}
	h := &llm.Head{ID: id, Created: x.s.now(), Op: llm.OpChat, Usage: true, Array: x.ask.array, Chat: x.job.chat}
	codec := dialect.Of(d)
	chat, stream := x.job.chat, x.job.stream
	x.job.release()
	if !stream {
		return x.wholeNeutral(choices, codec, h, chat)
	}
	v := &codecVoice{x: x, writer: codec.NewWriter(h), parts: make([]openPart, len(choices))}
	if x.ask.host == onBedrock {
		v.frames = &framer{}
	}
	if x.job.store {
		v.folder = new(llm.Folder)
	}
	if err := x.stream(choices, v); err != nil {
		return err
	}
	if v.folder != nil {
		a := v.folder.Answer()
		x.s.shelf.put(x.head.ID, chat, a, codec.AppendAnswer(nil, a, h))
	}
	return nil
}

// prefixOf is what ids of answers begin with.
func prefixOf(d llm.Dialect) string {
	switch d {
	case llm.Anthropic:
		return "msg_"
	case llm.Responses:
		return "resp_"
	default:
		return ""
	}
}

// renameCalls gives calls the form of id that they have in a dialect.
func renameCalls(c *choice, d llm.Dialect) {
	prefix := map[llm.Dialect]string{llm.Anthropic: "toolu_", llm.Converse: "tooluse_"}[d]
	for i := range c.calls {
		call := &c.calls[i]
		switch {
		case d == llm.Gemini:
			call.id = ""
		case prefix != "":
			call.id = prefix + call.id[len("call_"):]
		}
	}
}

func (v *codecVoice) media() string {
	switch {
	case v.frames != nil:
		return frameType
	case v.x.ask.array:
		return "application/json; charset=UTF-8"
	case v.x.ask.dialect == llm.Gemini:
		return "text/event-stream"
	}
	return "text/event-stream; charset=utf-8"
}

func (v *codecVoice) open(k *streamer, _ int) {
	x := v.x
	if x.fx.pings && v.frames == nil && !x.ask.array && x.ask.dialect != llm.Anthropic {
		v.comment(k)
	}
	v.event = llm.Event{Kind: llm.EventStart, ID: x.head.ID, Name: x.job.model, Created: x.s.now(), ServiceTier: servedTier(x.job.talk.tier)}
	if !x.fx.noUsage {
		v.usage = x.usage
		v.event.Usage = &v.usage
	}
	v.write(k)
	if x.ask.dialect == llm.Anthropic {
		for range max(x.fx.pingFlood, 1) {
			v.ping(k)
		}
	}
}

// kindOf is the kind of part that a piece belongs to. Refusals are parts of their own in Responses only, thoughts that only
// the provider can read in Anthropic's dialect only.
func kindOf(p piece, c *choice, d llm.Dialect) llm.PartKind {
	switch {
	case p == pieceReasoning && c.redacted && d == llm.Anthropic:
		return llm.PartRedacted
	case p == pieceReasoning:
		return llm.PartThinking
	case p == pieceText && c.refused && d == llm.Responses:
		return llm.PartRefusal
	case p == pieceText:
		return llm.PartText
	default:
		return llm.PartToolCall
	}
}

// silent reports whether a part's text is kept back.
func (x *exchange) silent(kind llm.PartKind) bool {
	return kind == llm.PartRedacted || kind == llm.PartThinking && x.job.talk.mute
}

func (v *codecVoice) piece(k *streamer, c *choice, p piece, text []byte) {
	st := &v.parts[c.index]
	kind := kindOf(p, c, v.x.ask.dialect)
	if st.kind != kind || p == pieceToolStart {
		v.end(k, c)
		v.event = llm.Event{Kind: llm.EventPart, Choice: c.index, Part: kind}
		if p == pieceToolStart {
			call := &c.calls[c.at]
			v.event.ID, v.event.Name = call.id, call.name
		}
		*st = openPart{kind: kind, hash: hashStart, signed: st.signed}
		if v.shown(kind) {
			v.write(k)
		}
	}
	st.hash = hashString(st.hash, text)
	if len(text) == 0 || v.x.silent(kind) {
		v.running(k)
		return
	}
	v.event = llm.Event{Kind: llm.EventDelta, Choice: c.index, Part: kind, Text: text}
	if t := v.x.job.talk; t.logprobs && p == pieceText {
		v.event.Logprobs = neutralLogprobs(text, t.top)
	}
	v.write(k)
	v.running(k)
}

// shown reports whether parts of a kind are in the answer at all: Gemini leaves out thoughts that nobody asked to see.
func (v *codecVoice) shown(kind llm.PartKind) bool { return shown(v.x, kind) }

func shown(x *exchange, kind llm.PartKind) bool {
	return kind != llm.PartThinking || !x.job.talk.mute || x.ask.dialect != llm.Gemini
}

// running tells the usage so far, if a fault asks for it.
func (v *codecVoice) running(k *streamer) {
	if v.x.fx.usageEach {
		v.usage = v.x.usage
		v.event = llm.Event{Kind: llm.EventUsage, Usage: &v.usage}
		v.write(k)
	}
}

// end ends the open part of a choice.
func (v *codecVoice) end(k *streamer, c *choice) {
	st := &v.parts[c.index]
	if st.kind == 0 {
		return
	}
	v.event = llm.Event{Kind: llm.EventPartEnd, Choice: c.index, Part: st.kind}
	if sig := v.x.sign(st.kind, st.hash, &st.signed); sig != "" {
		v.event.Signature, v.event.Origin = sig, v.x.ask.dialect
	}
	if v.shown(st.kind) {
		v.write(k)
	}
	st.kind = 0
}

func (v *codecVoice) finish(k *streamer, c *choice) {
	v.end(k, c)
	if v.x.fx.noFinish {
		return
	}
	v.event = llm.Event{Kind: llm.EventFinish, Choice: c.index}
	v.event.Finish, v.event.Stop = c.ended()
	v.write(k)
}

func (v *codecVoice) close(k *streamer) {
	if !v.x.fx.noUsage {
		v.usage = v.x.usage
		v.event = llm.Event{Kind: llm.EventUsage, Usage: &v.usage}
		v.write(k)
	}
	if !v.x.fx.noDone {
		v.raw = v.writer.End(v.raw[:0])
		if v.x.fx.noEnd {
			v.raw = v.raw[:v.ending()]
		}
		v.emit(k, v.raw)
	}
}

// ending returns where in the end of an answer its last event begins. Gemini's stream has none that says no more than that.
func (v *codecVoice) ending() int {
	switch {
	case v.x.ask.dialect == llm.Gemini && v.x.ask.array:
		return max(bytes.LastIndexByte(v.raw, ']'), 0)
	case v.x.ask.dialect == llm.Gemini:
		return len(v.raw)
	case v.x.ask.dialect == llm.Converse:
		return lastFrame(v.raw)
	}
	if at := bytes.LastIndex(bytes.TrimRight(v.raw, "\n"), []byte("\n\n")); at >= 0 {
		return at + len("\n\n")
	}
	return 0
}

// write has the codec write the current event.
func (v *codecVoice) write(k *streamer) {
	if v.folder != nil {
		v.folder.Add(&v.event)
	}
	v.raw = v.writer.Write(v.raw[:0], &v.event)
	v.emit(k, v.raw)
}

// emit adds what the codec wrote, in the framing that the request and its faults want.
func (v *codecVoice) emit(k *streamer, raw []byte) {
	fx := &v.x.fx
	switch {
	case len(raw) == 0:
		return
	case v.frames != nil && v.x.ask.dialect == llm.Anthropic:
		k.buf = v.frames.wrap(k.buf, raw)
		return
	case v.frames != nil || v.x.ask.array || !fx.crlf && !fx.noSpace && !fx.multiline && !fx.unnamed && !fx.pings:
		k.buf = append(k.buf, raw...)
		return
	}
	for len(raw) > 0 {
		one, rest, _ := bytes.Cut(raw, []byte("\n\n"))
		raw = rest
		var name string
		for line := range bytes.SplitSeq(one, []byte("\n")) {
			if n, ok := bytes.CutPrefix(line, []byte("event: ")); ok {
				name = string(n)
			} else if data, ok := bytes.CutPrefix(line, []byte("data: ")); ok {
				k.event(name, data)
			}
		}
		if fx.pings {
			v.ping(k)
		}
	}
}

// ping adds an event that means nothing: Anthropic has one of its own, in the others it is a comment.
func (v *codecVoice) ping(k *streamer) {
	switch {
	case v.x.ask.dialect == llm.Anthropic && v.frames != nil:
		k.buf = v.frames.chunk(k.buf, []byte(pingData))
	case v.x.ask.dialect == llm.Anthropic:
		k.event("ping", []byte(pingData))
	case v.frames == nil && !v.x.ask.array:
		v.comment(k)
	}
}

const pingData = `{"type":"ping"}`

func (v *codecVoice) comment(k *streamer) { k.comment(" keep-alive") }

// broken is the beginning of an event in the words of a dialect.
func (v *codecVoice) broken() (name, data string) {
	switch v.x.ask.dialect {
	case llm.Anthropic:
		return "content_block_delta", `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"the ga`
	case llm.Responses:
		return "response.output_text.delta", `{"type":"response.output_text.delta","item_id":"msg_broken","delta":"the ga`
	case llm.Converse:
		return "contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":"the ga`
	default:
		return "", `{"candidates":[{"content":{"role":"model","parts":[{"text":"the ga`
	}
}

func (v *codecVoice) malformed(k *streamer) {
	name, data := v.broken()
	switch {
	case v.frames != nil && v.x.ask.dialect == llm.Anthropic:
		k.buf = v.frames.chunk(k.buf, []byte(data))
	case v.frames != nil:
		k.buf = appendFrame(k.buf, eventHeaders(name), []byte(data))
	case v.x.ask.array:
		k.buf = append(k.buf, ",\r\n"+data...)
	default:
		k.event(name, []byte(data))
	}
}

func (v *codecVoice) half(k *streamer) {
	name, data := v.broken()
	if v.frames != nil {
		frame := appendFrame(nil, eventHeaders(name), []byte(data))
		k.buf = append(k.buf, frame[:len(frame)/2]...)
		return
	}
	if v.x.ask.array {
		k.buf = append(k.buf, ",\r\n"+data...)
		return
	}
	if name != "" {
		k.line("event: " + name)
	}
	k.buf = append(k.buf, "data: "+data...)
}

// fail adds the error that ends a stream in the middle, as each protocol has it.
func (v *codecVoice) fail(k *streamer) {
	r := v.x.lateRefusal()
	body, _ := r.dialectBody(v.x.ask, v.x.id)
	switch {
	case v.x.ask.dialect == llm.Responses:
		v.raw = v.writer.Fail(v.raw[:0], llm.Errorf(llm.KindServerError, "%s", r.text))
		v.emit(k, bytes.Replace(v.raw, []byte(`"code":"provider_error"`), []byte(`"code":"server_error"`), 1)) // OpenAI's word, not Sluice's
	case v.frames != nil:
		name := exceptionOf(r.status)
		if v.x.fx.errorForm == "event" { // an exception that only streams have
			name = "ModelStreamErrorException"
		}
		k.buf = appendFrame(k.buf, exceptionHeaders(lowerFirst(name)), body)
	case v.x.ask.dialect == llm.Gemini && v.x.ask.array:
		k.buf = append(append(k.buf, ",\r\n"...), body...)
	case v.x.ask.dialect == llm.Gemini && v.x.fx.errorForm != "event":
		k.buf = append(append(k.buf, body...), '\n') // a bare line, without "data:"
	case v.x.ask.dialect == llm.Gemini:
		k.event("", body)
	default:
		k.event("error", body)
	}
}

// wholeNeutral answers a chat that is not streamed.
func (x *exchange) wholeNeutral(choices []choice, codec *dialect.Codec, h *llm.Head, chat *llm.Chat) error {
	a := &llm.Answer{ID: x.head.ID, Model: x.job.model, Created: x.s.now(), HasUsage: !x.fx.noUsage, ServiceTier: servedTier(x.job.talk.tier)}
	var longest int64
	for i := range choices {
		a.Choices = append(a.Choices, x.neutralChoice(&choices[i]))
		longest = max(longest, choices[i].output)
	}
	if err := x.decoded(choices, longest); err != nil {
		return err
	}
	a.Usage = x.usage
	body := codec.AppendAnswer(nil, a, h)
	if x.job.store {
		x.s.shelf.put(x.head.ID, chat, a, body)
	}
	return x.send(body)
}

// neutralChoice runs a choice to its end.
func (x *exchange) neutralChoice(c *choice) llm.Choice {
	out := llm.Choice{Index: c.index}
	var open *llm.Part
	signed := false
	end := func() {
		if open == nil {
			return
		}
		if sig := x.sign(open.Kind, hashString(uint64(hashStart), open.Text), &signed); sig != "" {
			open.Signature, open.Origin = sig, x.ask.dialect
		}
		if x.silent(open.Kind) {
			open.Text = ""
		}
		if shown(x, open.Kind) {
			out.Parts = append(out.Parts, *open)
		}
		open = nil
	}
	for {
		p, text := c.next(64)
		if p == pieceEnd {
			break
		}
		kind := kindOf(p, c, x.ask.dialect)
		if open == nil || open.Kind != kind || p == pieceToolStart {
			end()
			open = &llm.Part{Kind: kind}
			if p == pieceToolStart {
				open.ID, open.Name = c.calls[c.at].id, c.calls[c.at].name
			}
		}
		open.Text += string(text)
		if t := x.job.talk; t.logprobs && p == pieceText {
			out.Logprobs = append(out.Logprobs, neutralLogprobs(text, t.top)...)
		}
	}
	end()
	if !x.fx.noFinish {
		out.Finish, out.Stop = c.ended()
	}
	return out
}

// neutralLogprobs is makeLogprobs in the words of llm.
func neutralLogprobs(text []byte, top int) []llm.Logprob {
	made := makeLogprobs(text, top)
	all := make([]llm.Logprob, len(made))
	for i, p := range made {
		all[i] = llm.Logprob{Token: p.Token, Logprob: p.Logprob}
		for _, alternative := range p.Top {
			all[i].Top = append(all[i].Top, llm.Logprob{Token: alternative.Token, Logprob: alternative.Logprob})
		}
	}
	return all
}

// sign returns the signature of a part that ends; "" if it has none. Anthropic signs thoughts. Gemini signs the first of the
// calls that a model makes after thinking. OpenAI's Responses have encrypted thoughts in that place.
func (x *exchange) sign(kind llm.PartKind, hash uint64, signed *bool) string {
	switch x.ask.dialect {
	case llm.Anthropic, llm.Converse, llm.Responses:
		if kind == llm.PartThinking || kind == llm.PartRedacted {
			return x.s.signature(x.base, hash)
		}
	case llm.Gemini:
		if kind == llm.PartToolCall && x.model.cfg.Reasoning > 0 && !*signed {
			*signed = true
			return x.s.signature(x.base, hash)
		}
	}
	return ""
}

// signature makes the proof that a text with this hash came from a model: the hash, and a code of it that needs the seed.
func (s *Server) signature(model string, hash uint64) string {
	code := mix(hashString(mix(s.cfg.Seed)^hash, model))
	b := [18]byte{16: 'S', 17: '1'} // a length that base64 needs no padding for
	binary.LittleEndian.PutUint64(b[:], hash)
	binary.LittleEndian.PutUint64(b[8:], code)
	return base64.StdEncoding.EncodeToString(b[:])
}

// genuine reports whether a signature is one that the model gave for the text. Where the text was kept back, only the
// signature itself is checked.
func (s *Server) genuine(model, sig, text string) bool {
	raw, err := base64.StdEncoding.DecodeString(sig)
	if err != nil || len(raw) != 18 {
		return false
	}
	hash := binary.LittleEndian.Uint64(raw)
	return s.signature(model, hash) == sig && (text == "" || hashString(uint64(hashStart), text) == hash)
}
