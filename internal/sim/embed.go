package sim

import (
	"math"
	"net/http"
	"strconv"

	"sluice/internal/wire/openai"
)

func (m *ModelConfig) dimensions() int {
	if m.Dimensions > 0 {
		return m.Dimensions
	}
	return 256
}

// Limits of an embeddings request besides the number of inputs.
const (
	maxEmbeddingInput = 8192
	maxEmbeddingTotal = 300_000
)

// embed answers an embeddings request of OpenAI's dialect.
func (x *exchange) embed() error {
	vectors := x.vectors()
	if err := x.until(x.due); err != nil {
		return err
	}
	return x.send(openai.AppendEmbeddings(nil, x.job.model, vectors, x.job.embedding.base64, x.job.input))
}

// vectors embeds the inputs.
func (x *exchange) vectors() [][]float32 {
	req := x.job.embedding
	dims := req.dimensions
	if dims == 0 {
		dims = x.model.cfg.dimensions()
	}
	vectors := make([][]float32, len(req.inputs))
	for i := range req.inputs {
		vectors[i] = vector(&req.inputs[i], dims, x.model.cfg.Name)
	}
	return vectors
}

// checkEmbedding refuses inputs that are too long.
func checkEmbedding(j *job) *refusal {
	for i := range j.embedding.inputs {
		in := &j.embedding.inputs[i]
		n := int64(len(in.Tokens))
		if in.Tokens == nil {
			n = CountTokens(in.Text)
		}
		if n > maxEmbeddingInput {
			return &refusal{
				status: http.StatusBadRequest, kind: "invalid_request_error", param: "input",
				text: "Invalid 'input[" + strconv.Itoa(i) + "]': maximum input length is 8192 tokens.",
			}
		}
	}
	if j.input > maxEmbeddingTotal {
		return &refusal{
			status: http.StatusBadRequest, kind: "max_tokens_per_request", code: "max_tokens_per_request",
			param: "input", text: "Requested " + strconv.FormatInt(j.input, 10) + " tokens, max 300000 tokens per request",
		}
	}
	return nil
}

// vector makes a unit vector of an input. Each token adds to a few places that its hash chooses, so that inputs with
// words in common are near each other; a little noise of the whole input keeps different ones apart.
func vector(in *openai.Input, dims int, model string) []float32 {
	v := make([]float32, dims)
	whole := hashString(uint64(hashStart), model)
	add := func(h uint64) {
		r := rng(h)
		for range 8 {
			bits := r.next()
			v[(bits>>1)%uint64(dims)] += float32(bits&1)*2 - 1
		}
	}
	for _, t := range in.Tokens {
		add(uint64(t))
		whole = mix(whole ^ uint64(t))
	}
	for text := in.Text; len(text) > 0; {
		n, counted := cutToken(text)
		token := text[:n]
		text = text[n:]
		for len(token) > 0 && isSpace(token[0]) {
			token = token[1:]
		}
		whole = hashString(whole, token) * 31
		if counted {
			add(hashString(uint64(hashStart), token))
		}
	}
	r := rng(whole)
	var sum float64
	for i := range v {
		v[i] += float32(r.float()-0.5) * 0.1
		sum += float64(v[i]) * float64(v[i])
	}
	norm := float32(1 / math.Sqrt(sum))
	for i := range v {
		v[i] *= norm
	}
	return v
}
