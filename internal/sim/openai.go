package sim

import (
	"bytes"

	"sluice/internal/llm"
	"sluice/internal/wire/openai"
)

// openAIVoice is the stream of chat and completions in OpenAI's dialect, the fast path: its events are made directly, with
// every deviation that a server of that dialect can have.
type openAIVoice struct {
	x       *exchange
	data    []byte // JSON of the event that is being made
	tool    openai.ToolDelta
	delta   openai.Delta
	running llm.Usage
}

func (*openAIVoice) media() string { return "text/event-stream; charset=utf-8" }

// open adds the chunks with the role.
func (v *openAIVoice) open(k *streamer, n int) {
	x := v.x
	v.data = make([]byte, 0, 320)
	if x.fx.pings {
		k.comment(x.fx.ping)
	}
	if x.fx.azure {
		k.event("", []byte(`{"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0,`+
			`"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}}}]}`))
	}
	if x.fx.nullChoices {
		k.event("", []byte(`{"id":"`+x.head.ID+`","object":"`+v.object()+`","choices":null}`))
	}
	for i := range n {
		if x.job.op == llm.OpChat {
			v.delta = openai.Delta{Index: i, Role: "assistant", Content: []byte{}}
			v.chunk(k, chunkRole)
		}
	}
}

func (v *openAIVoice) piece(k *streamer, c *choice, p piece, text []byte) {
	v.delta = openai.Delta{Index: c.index}
	switch p {
	case pieceReasoning:
		v.delta.Reasoning = text
	case pieceText:
		v.delta.Content = text
		v.decorate(text)
	case pieceToolStart, pieceToolArgs:
		v.fragment(c, p, text)
	}
	v.chunk(k, chunkPiece)
}

// finish adds the chunk with the finish reason.
func (v *openAIVoice) finish(k *streamer, c *choice) {
	v.delta = openai.Delta{Index: c.index, Finish: c.finish}
	if v.x.job.op == llm.OpCompletion {
		v.delta.Content = []byte{}
	}
	if !v.x.fx.noFinish {
		v.chunk(k, chunkFinish)
	}
}

// decorate adds what the request or a fault wants to a piece of text.
func (v *openAIVoice) decorate(text []byte) {
	if t := v.x.job.talk; t != nil && t.logprobs {
		v.delta.Logprobs = makeLogprobs(text, t.top)
	}
	if v.x.fx.arrayContent {
		v.delta.RawContent = contentParts(text)
	}
}

// fragment makes the delta of a part of a tool call.
func (v *openAIVoice) fragment(c *choice, p piece, text []byte) {
	v.tool = openai.ToolDelta{Index: c.at, NoIndex: v.x.fx.noIndex, Arguments: text}
	if p == pieceToolStart {
		v.tool.ID, v.tool.Name = c.calls[c.at].id, c.calls[c.at].name
	}
	v.delta.Tool = &v.tool
}

// chunk adds the event of the current delta.
func (v *openAIVoice) chunk(k *streamer, kind chunkKind) {
	x := v.x
	if x.fx.roleEach && x.job.op == llm.OpChat {
		v.delta.Role = "assistant"
	}
	if x.fx.usageEach || x.fx.usageLast && kind == chunkFinish {
		v.running = x.usage
		v.delta.Usage = &v.running
	}
	if x.job.op == llm.OpCompletion {
		v.data = openai.AppendTextChunk(v.data[:0], &x.head, &v.delta)
	} else {
		v.data = openai.AppendChunk(v.data[:0], &x.head, &v.delta)
	}
	if x.fx.nullError {
		v.data = append(v.data[:len(v.data)-1], `,"error":null}`...)
	}
	if x.fx.quirk != nil {
		if v.data = x.fx.quirk.chunked(x, v.data, kind); v.data == nil {
			return
		}
	}
	k.event("", v.data)
	if x.fx.pings {
		k.comment(" keep-alive")
	}
}

// close adds the usage chunk and the end marker.
func (v *openAIVoice) close(k *streamer) {
	x := v.x
	if x.job.usage && !x.fx.noUsage && !x.fx.usageLast {
		v.data = openai.AppendUsageChunk(v.data[:0], &x.head, v.object(), x.usage)
		if x.fx.nullChoices {
			v.data = bytes.Replace(v.data, []byte(`"choices":[]`), []byte(`"choices":null`), 1)
		}
		if x.fx.quirk != nil {
			v.data = x.fx.quirk.chunked(x, v.data, chunkUsage)
		}
		if v.data != nil {
			k.event("", v.data)
		}
	}
	if !x.fx.noDone && !x.fx.noEnd {
		k.event("", []byte("[DONE]"))
	}
}

// object is the name that chunks of this operation have.
func (v *openAIVoice) object() string {
	if v.x.job.op == llm.OpCompletion {
		return "text_completion"
	}
	return "chat.completion.chunk"
}

func (v *openAIVoice) ping(k *streamer) { k.comment(" keep-alive") }

func (v *openAIVoice) malformed(k *streamer) { k.event("", []byte(malformedData)) }

func (v *openAIVoice) half(k *streamer) { k.buf = append(k.buf, "data: "+malformedData...) }

func (v *openAIVoice) fail(k *streamer) {
	x := v.x
	if x.fx.quirk != nil && x.fx.quirk.fail != nil && x.fx.errorForm == "object" {
		x.fx.quirk.fail(v, k)
		return
	}
	if x.fx.errorForm == "event" {
		k.line("event: error")
	}
	k.event("", errorObject(x.fx.errorForm))
}
