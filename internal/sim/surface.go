package sim

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"sluice/internal/dialect"
	"sluice/internal/llm"
	"sluice/internal/wire"
	"sluice/internal/wire/openai"
)

// decodeEmbed reads an embeddings request in another dialect than OpenAI's.
func (x *exchange) decodeEmbed(body []byte) *refusal {
	if x.ask.dialect == llm.Gemini {
		return x.decodeGoogleEmbed(gjson.ParseBytes(body))
	}
	codec := dialect.Of(x.ask.dialect)
	rq, e := codec.ReadEmbed(body)
	if e != nil {
		return refuseError(e)
	}
	emb := &embedding{dimensions: int(rq.Dimensions), base64: rq.Base64}
	for _, in := range rq.Inputs {
		emb.inputs = append(emb.inputs, openai.Input{Text: in.Text, Tokens: in.Tokens})
	}
	x.embedJob(rq.Model, emb, func(x *exchange, vectors [][]float32) []byte {
		a := &llm.Embedded{ID: x.id, Model: x.job.model, Vectors: vectors, Usage: x.usage, HasUsage: !x.fx.noUsage}
		return codec.AppendEmbedded(nil, a, rq)
	})
	return nil
}

// embedJob makes the job of an embeddings request, whose answer write encodes.
func (x *exchange) embedJob(name string, emb *embedding, write func(*exchange, [][]float32) []byte) {
	j := &job{op: llm.OpEmbedding, model: name, choices: 1, embedding: emb}
	j.addInputs(emb.inputs)
	j.reply = func(x *exchange) error {
		vectors := x.vectors()
		if err := x.until(x.due); err != nil {
			return err
		}
		return x.send(write(x, vectors))
	}
	x.job = j
}

// decodeGoogleEmbed reads embedContent, batchEmbedContents and Vertex's predict.
func (x *exchange) decodeGoogleEmbed(rq gjson.Result) *refusal {
	emb := &embedding{}
	add := func(one gjson.Result) {
		var texts []string
		for _, p := range one.Get("content.parts").Array() {
			texts = append(texts, p.Get("text").Str)
		}
		if t := one.Get("content"); t.Type == gjson.String {
			texts = append(texts, t.Str)
		}
		emb.inputs = append(emb.inputs, openai.Input{Text: strings.Join(texts, "\n")})
		if n := either(one, "outputDimensionality", "output_dimensionality").Int(); n > 0 {
			emb.dimensions = int(n)
		}
	}
	list := []gjson.Result{rq}
	switch x.ask.action {
	case actBatch:
		list = rq.Get("requests").Array()
	case actPredict:
		list = rq.Get("instances").Array()
		emb.dimensions = int(rq.Get("parameters.outputDimensionality").Int())
	}
	for _, one := range list {
		if !one.Get("content").Exists() {
			return refuseField("", "* EmbedContentRequest.content: contents is not specified\n")
		}
		add(one)
	}
	if len(list) == 0 {
		return refuseField("", "* BatchEmbedContentsRequest.requests: must not be empty\n")
	}
	if len(list) > 100 && x.ask.action == actBatch {
		return refuseField("", "* BatchEmbedContentsRequest.requests: at most 100 requests can be in one batch")
	}
	if emb.dimensions < 0 {
		return refuseField("", "* EmbedContentRequest.output_dimensionality: must be positive")
	}
	x.embedJob(x.ask.model, emb, appendGoogleEmbeddings)
	return nil
}

func appendGoogleEmbeddings(x *exchange, vectors [][]float32) []byte {
	one := func(b []byte, v []float32) []byte {
		return append(wire.AppendVector(append(b, `{"values":`...), v, false), '}')
	}
	switch x.ask.action {
	case actBatch, actPredict:
		b := []byte(`{"embeddings":[`)
		if x.ask.action == actPredict {
			b = []byte(`{"predictions":[`)
		}
		for i, v := range vectors {
			if i > 0 {
				b = append(b, ',')
			}
			if x.ask.action == actBatch {
				b = one(b, v)
				continue
			}
			b = wire.AppendVector(append(b, `{"embeddings":{"values":`...), v, false)
			b = strconv.AppendInt(append(b, `,"statistics":{"truncated":false,"token_count":`...), CountTokens(x.job.embedding.inputs[i].Text), 10)
			b = append(b, "}}}"...)
		}
		return append(b, "]}"...)
	default:
		return append(one([]byte(`{"embedding":`), vectors[0]), '}')
	}
}

// decodeRerank reads a rerank request. Voyage and Jina share a path: top_k, and Voyage's names, tell them apart.
func (x *exchange) decodeRerank(body []byte) *refusal {
	if x.ask.dialect == llm.Jina && (gjson.GetBytes(body, "top_k").Exists() || strings.HasPrefix(gjson.GetBytes(body, "model").Str, "rerank-")) {
		a := *x.ask
		a.dialect = llm.Voyage
		x.ask = &a
	}
	codec := dialect.Of(x.ask.dialect)
	rq, e := codec.ReadRerank(body)
	if e != nil {
		return refuseError(e)
	}
	j := &job{op: llm.OpRerank, model: rq.Model, choices: 1}
	for _, d := range rq.Documents {
		j.add(rq.Query)
		j.add(d.Text + d.Object)
	}
	j.reply = func(x *exchange) error {
		a := &llm.Ranked{ID: x.id, Model: x.job.model, Usage: x.usage, HasUsage: !x.fx.noUsage, SearchUnits: int64(1 + len(rq.Documents)/100)}
		a.Results = rank(rq)
		if err := x.until(x.due); err != nil {
			return err
		}
		return x.send(codec.AppendRanked(nil, a, rq))
	}
	x.job = j
	return nil
}

// rank gives each document the nearness of its words to those of the query.
func rank(rq *llm.Rerank) []llm.RankedResult {
	const dims = 256
	query := vector(&openai.Input{Text: rq.Query}, dims, rq.Model)
	all := make([]llm.RankedResult, len(rq.Documents))
	for i, d := range rq.Documents {
		v := vector(&openai.Input{Text: d.Text + d.Object}, dims, rq.Model)
		var dot float64
		for k := range v {
			dot += float64(v[k]) * float64(query[k])
		}
		all[i] = llm.RankedResult{Index: i, Score: float64(int((dot+1)/2*1e6)) / 1e6}
		if rq.ReturnDocuments {
			all[i].Document = d.Object
			if d.Object == "" {
				all[i].Document = `{"text":` + string(wire.AppendString(nil, d.Text)) + `}`
			}
		}
	}
	slices.SortStableFunc(all, func(a, b llm.RankedResult) int {
		switch {
		case a.Score > b.Score:
			return -1
		case a.Score < b.Score:
			return 1
		}
		return 0
	})
	if rq.TopN > 0 && rq.TopN < int64(len(all)) {
		all = all[:rq.TopN]
	}
	return all
}

// moderated are the categories of a moderation, with a word that makes a text one of theirs.
var moderated = [...]struct{ category, word string }{
	{"harassment", "insult"},
	{"harassment/threatening", "threaten"},
	{"hate", "hate"},
	{"hate/threatening", "genocide"},
	{"illicit", "steal"},
	{"illicit/violent", "bomb"},
	{"self-harm", "self-harm"},
	{"self-harm/instructions", "self-harm"},
	{"self-harm/intent", "self-harm"},
	{"sexual", "sexual"},
	{"sexual/minors", "minors"},
	{"violence", "kill"},
	{"violence/graphic", "blood"},
}

// decodeModeration reads a moderation: a text, texts, or parts that are judged as one.
func (x *exchange) decodeModeration(body []byte) *refusal {
	rq := gjson.ParseBytes(body)
	in := rq.Get("input")
	var inputs []string
	switch {
	case in.Type == gjson.String:
		inputs = []string{in.Str}
	case in.IsArray() && in.Get("0.type").Exists():
		var all []string
		for _, p := range in.Array() {
			all = append(all, p.Get("text").Str)
		}
		inputs = []string{strings.Join(all, "\n")}
	case in.IsArray() && len(in.Array()) > 0:
		for _, one := range in.Array() {
			inputs = append(inputs, one.Str)
		}
	default:
		return refuseField("input", "Invalid type for 'input': expected a string or an array.")
	}
	name := rq.Get("model").Str
	if name == "" {
		name = "omni-moderation-latest"
	}
	j := &job{op: llm.OpModeration, model: name, choices: 1}
	for _, text := range inputs {
		j.add(text)
	}
	j.reply = func(x *exchange) error {
		x.usage = llm.Usage{} // it costs nothing
		b := wire.AppendString([]byte(`{"id":"modr-`+x.makeID()+`","model":`), x.job.model)
		b = append(b, `,"results":[`...)
		for i, text := range inputs {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendModeration(b, strings.ToLower(text))
		}
		return x.send(append(b, "]}"...))
	}
	x.job = j
	return nil
}

func appendModeration(b []byte, text string) []byte {
	var flags, scores, kinds []byte
	flagged := false
	for i, m := range moderated {
		hit := strings.Contains(text, m.word)
		flagged = flagged || hit
		r := rng(hashString(hashString(uint64(hashStart), m.category), text))
		score := r.float() * 0.01
		if hit {
			score = 0.9 + r.float()*0.1
		}
		if i > 0 {
			flags, scores, kinds = append(flags, ','), append(scores, ','), append(kinds, ',')
		}
		name := string(wire.AppendString(nil, m.category))
		flags = strconv.AppendBool(append(append(flags, name...), ':'), hit)
		scores = strconv.AppendFloat(append(append(scores, name...), ':'), score, 'f', 6, 64)
		kinds = append(append(kinds, name...), `:["text"]`...)
	}
	b = strconv.AppendBool(append(b, `{"flagged":`...), flagged)
	b = append(append(append(b, `,"categories":{`...), flags...), `},"category_scores":{`...)
	return append(append(append(append(b, scores...), `},"category_applied_input_types":{`...), kinds...), "}}"...)
}

// pixel is the smallest image there is: one pixel as PNG.
const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

// decodeImage reads a request for images, as JSON or, with images of the client's own, as a form.
func (x *exchange) decodeImage(body []byte) *refusal {
	get := jsonFields(body)
	if x.ask.action == actEdit {
		form, ref := readForm(x.r, body)
		if ref != nil {
			return ref
		}
		if len(form.file("image")) == 0 {
			return refuseField("image", "Missing required parameter: 'image'.")
		}
		get = form.value
	}
	if get("prompt") == "" && x.ask.action != actEdit {
		return refuseField("prompt", "Missing required parameter: 'prompt'.")
	}
	n, _ := strconv.Atoi(get("n"))
	if n = max(n, 1); n > 10 {
		return refuseField("n", "Invalid value for 'n': expected at most 10.")
	}
	j := &job{op: llm.OpImage, model: get("model"), choices: 1, stream: get("stream") == "true"}
	if j.model == "" {
		j.model = "dall-e-2"
	}
	j.add(get("prompt"))
	partial, _ := strconv.Atoi(get("partial_images"))
	url := get("response_format") == "url"
	j.reply = func(x *exchange) error {
		x.usage.Output = int64(n) * tokensPerMedia
		if x.job.stream {
			return x.streamImage(min(partial, 3))
		}
		b := strconv.AppendInt([]byte(`{"created":`), x.s.now().Unix(), 10)
		b = append(b, `,"data":[`...)
		for i := range n {
			if i > 0 {
				b = append(b, ',')
			}
			if url {
				b = append(b, `{"url":"https://images.invalid/`+x.id+`.png"}`...)
				continue
			}
			b = append(b, `{"b64_json":"`+pixel+`"}`...)
		}
		return x.send(append(x.appendMediaUsage(append(b, ']')), '}'))
	}
	x.job = j
	return nil
}

// appendMediaUsage adds the usage of images and speech.
func (x *exchange) appendMediaUsage(b []byte) []byte {
	if x.fx.noUsage {
		return b
	}
	b = strconv.AppendInt(append(b, `,"usage":{"input_tokens":`...), x.usage.Input, 10)
	b = strconv.AppendInt(append(b, `,"output_tokens":`...), x.usage.Output, 10)
	b = strconv.AppendInt(append(b, `,"total_tokens":`...), x.usage.Total(), 10)
	return append(b, '}')
}

// streamImage sends drafts of an image and then the image.
func (x *exchange) streamImage(partial int) error {
	kind := "image_generation"
	if x.ask.action == actEdit {
		kind = "image_edit"
	}
	var events []namedEvent
	for i := range partial {
		name := kind + ".partial_image"
		events = append(events, namedEvent{name, `{"type":"` + name + `","partial_image_index":` + strconv.Itoa(i) + `,"b64_json":"` + pixel + `"}`})
	}
	b := x.appendMediaUsage([]byte(`{"type":"` + kind + `.completed","b64_json":"` + pixel + `"`))
	return x.sendEvents(append(events, namedEvent{kind + ".completed", string(b) + "}"}))
}

// decodeSpeech reads a request for speech: it is given as many bytes as the text has, so that a test can foresee them.
func (x *exchange) decodeSpeech(body []byte) *refusal {
	get := jsonFields(body)
	for _, name := range []string{"model", "input", "voice"} {
		if get(name) == "" {
			return refuseField(name, "Missing required parameter: '"+name+"'.")
		}
	}
	types := map[string]string{"": "audio/mpeg", "mp3": "audio/mpeg", "opus": "audio/ogg", "aac": "audio/aac", "flac": "audio/flac", "wav": "audio/wav", "pcm": "audio/pcm"}
	media, ok := types[get("response_format")]
	if !ok {
		return refuseField("response_format", "Invalid value for 'response_format': '"+get("response_format")+"'.")
	}
	j := &job{op: llm.OpSpeech, model: get("model"), choices: 1, stream: get("stream_format") == "sse"}
	j.add(get("input"))
	text := get("input")
	j.reply = func(x *exchange) error {
		x.usage.Output = CountTokens(text) * 20
		sound := sound(text)
		if !x.job.stream {
			return x.sendAs(media, sound)
		}
		var events []namedEvent
		for piece := range slices.Chunk(sound, 512) {
			events = append(events, namedEvent{"", `{"type":"speech.audio.delta","audio":"` + base64.StdEncoding.EncodeToString(piece) + `"}`})
		}
		done := x.appendMediaUsage([]byte(`{"type":"speech.audio.done"`))
		return x.sendEvents(append(events, namedEvent{"", string(done) + "}"}))
	}
	x.job = j
	return nil
}

// sound is noise that stands for a text read aloud: 64 bytes for each token, after the mark of an MP3.
func sound(text string) []byte {
	r := rng(hashString(uint64(hashStart), text))
	b := append(make([]byte, 0, 3+64*CountTokens(text)), "ID3"...)
	for range 8 * CountTokens(text) {
		v := r.next()
		for k := range 8 {
			b = append(b, byte(v>>(8*k)))
		}
	}
	return b
}

// decodeTranscription reads a form with a recording. The text is made of the recording's bytes.
func (x *exchange) decodeTranscription(body []byte) *refusal {
	form, ref := readForm(x.r, body)
	if ref != nil {
		return ref
	}
	file := form.file("file")
	switch {
	case len(file) == 0:
		return refuseField("file", "Missing required parameter: 'file'.")
	case form.value("model") == "":
		return refuseField("model", "Missing required parameter: 'model'.")
	}
	j := &job{op: llm.OpTranscription, model: form.value("model"), choices: 1, stream: form.value("stream") == "true"}
	j.input = int64(1 + len(file)/1024)
	p := prose{rng: rng(mix(hashString(uint64(hashStart), file))), words: &english}
	var tokens [][]byte
	for i := range 24 {
		tokens = append(tokens, p.append(nil, i == 23))
	}
	format := form.value("response_format")
	j.reply = func(x *exchange) error {
		x.usage.Output = int64(len(tokens))
		text := bytes.Join(tokens, nil)
		if x.job.stream {
			var events []namedEvent
			for _, t := range tokens {
				events = append(events, namedEvent{"", `{"type":"transcript.text.delta","delta":` + string(wire.AppendString(nil, t)) + `}`})
			}
			done := wire.AppendString([]byte(`{"type":"transcript.text.done","text":`), text)
			return x.sendEvents(append(events, namedEvent{"", string(x.appendTokenUsage(done)) + "}"}))
		}
		switch format {
		case "text":
			return x.sendAs("text/plain; charset=utf-8", append(text, '\n'))
		case "srt":
			return x.sendAs("text/plain; charset=utf-8", []byte("1\n00:00:00,000 --> 00:00:05,000\n"+string(text)+"\n"))
		case "vtt":
			return x.sendAs("text/vtt; charset=utf-8", []byte("WEBVTT\n\n00:00:00.000 --> 00:00:05.000\n"+string(text)+"\n"))
		case "verbose_json":
			b := wire.AppendString([]byte(`{"task":"transcribe","language":"english","duration":5.0,"text":`), text)
			return x.send(append(b, `,"segments":[],"usage":{"type":"duration","seconds":5}}`...))
		}
		return x.send(append(x.appendTokenUsage(wire.AppendString([]byte(`{"text":`), text)), '}'))
	}
	x.job = j
	return nil
}

func (x *exchange) appendTokenUsage(b []byte) []byte {
	if x.fx.noUsage {
		return b
	}
	b = x.appendMediaUsage(b)
	return bytes.Replace(b, []byte(`"usage":{`), []byte(`"usage":{"type":"tokens",`), 1)
}

// jsonFields returns a function that gives the value of a member of a JSON body as text.
func jsonFields(body []byte) func(string) string {
	rq := gjson.ParseBytes(body)
	return func(name string) string { return rq.Get(name).String() }
}

// namedEvent is an event that is made in advance.
type namedEvent struct{ name, data string }

// sendEvents streams events that are made in advance. One counts as a token for the faults that have positions.
func (x *exchange) sendEvents(events []namedEvent) error {
	return x.stream(nil, &listVoice{openAIVoice{x: x}, events})
}

// listVoice is the voice of sendEvents.
type listVoice struct {
	openAIVoice
	events []namedEvent
}

func (v *listVoice) media() string { return "text/event-stream; charset=utf-8" }

func (v *listVoice) open(*streamer, int) {}

// close gives out what is to be sent, each followed by the faults that are due.
func (v *listVoice) close(k *streamer) {
	for i, e := range v.events {
		k.event(e.name, []byte(e.data))
		k.tokens++
		if k.broken = k.trip(); k.broken != nil {
			return
		}
		if i == 0 {
			k.x.watch.made(k.x.due.Sub(k.x.start))
		}
	}
}
