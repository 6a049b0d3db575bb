package config

import (
	"slices"
	"strings"

	"sluice/internal/llm"
	"sluice/internal/upstream"
)

// deployment is one entry of model_list that can be taken over.
type deployment struct {
	account       *account
	model         string // the name at the provider, as it is written
	weight        *float64
	weightFrom    *sourceNode
	order         *float64
	orderFrom     *sourceNode
	maxParallel   int
	timeout       seconds
	streamTimeout seconds
	retries       *float64
	rpm, tpm      *float64
}

func (d *deployment) target() string { return d.account.name + "/" + d.model }

// group is all deployments of one model_name: what a client asks for.
type group struct {
	name        string
	pos         Position
	path        string
	deployments []*deployment
}

// models reads model_list.
func (im *importer) models(root *sourceNode) {
	im.credentials = make(map[string]*sourceNode)
	for _, c := range im.list(root, "credential_list") {
		if values := im.section(c, "credential_values"); values != nil {
			im.credentials[im.name(c, "credential_name")] = values
		}
		c.take("credential_info")
		im.leftover(c, nil)
	}
	router := root.peek("router_settings")
	im.maxParallel, _ = im.count(router, "default_max_parallel_requests", 1e6)
	if n, _ := im.count(root.peek("general_settings"), "max_parallel_requests", 1e6); im.maxParallel == 0 {
		im.maxParallel = n
	}
	type wildcard struct {
		at   *sourceNode
		name string
		d    *deployment
	}
	var wild []wildcard
	for _, item := range im.list(root, "model_list") {
		if im.shaped(item, mappingNode, "a mapping") == nil {
			continue
		}
		name := im.name(item, "model_name")
		params := im.section(item, "litellm_params")
		d := im.deployment(item, name, params)
		switch {
		case d == nil:
		case strings.Contains(name, "*") || strings.Contains(d.model, "*"):
			wild = append(wild, wildcard{item, name, d})
		default:
			im.group(item, name).deployments = append(im.group(item, name).deployments, d)
			im.deployments = append(im.deployments, d)
			d.account.targets = append(d.account.targets, d)
		}
		im.leftover(item, nil)
	}
	im.accountNames()
	for _, w := range wild {
		im.wildcard(w.at, w.name, w.d)
	}
}

// peek is take for a mapping that is read in several places: it leaves the mark to the one that reads it whole.
func (t *sourceNode) peek(key string) *sourceNode {
	for _, m := range t.members {
		if m.key == key && m.value != nil && m.value.kind == mappingNode {
			return m.value
		}
	}
	return nil
}

func (im *importer) group(item *sourceNode, name string) *group {
	g := im.byGroup[name]
	if g == nil {
		g = &group{name: name, pos: item.pos, path: item.path}
		im.byGroup[name] = g
		im.groups = append(im.groups, g)
	}
	return g
}

// deployment reads an entry of model_list. It returns nil for one that cannot be taken over, which it reports as a whole:
// its settings go with it.
func (im *importer) deployment(item *sourceNode, name string, params *sourceNode) *deployment {
	lost := func(at *sourceNode, why string) *deployment {
		im.at(at, NotTaken, why+"; "+shown("model", name)+" loses this target")
		item.all()
		return nil
	}
	if !modelName(name) {
		return lost(item, "model_name is missing, or no name that Sluice takes")
	}
	if params == nil {
		return lost(item, "there are no litellm_params")
	}
	im.useCredential(params)
	info := im.section(item, "model_info")
	if mode := im.name(info, "mode"); !slices.Contains(servedModes(), mode) {
		return lost(item, "Sluice does not serve "+shown("mode", mode))
	}
	at := params.find("model")
	model := im.name(params, "model")
	if at == nil {
		at = params
	}
	if strings.HasPrefix(model, envPrefix) {
		return lost(at, "the model comes from an environment variable; write its name")
	}
	if model == "*" {
		return lost(at, "stands for every model of every provider; name the providers, and their models can be asked for as provider/model")
	}
	base := im.value(params, "api_base")
	if other := im.value(params, "base_url"); base.text == "" {
		base = other
	}
	s, upstreamName, why, guessed := resolveService(model, im.name(params, "custom_llm_provider"), base.text != "")
	if why != "" {
		return lost(at, why)
	}
	if s.api == "bedrock" {
		upstreamName = bedrockModel(upstreamName, params)
	}
	if s.api == "vertex" && strings.Contains(upstreamName, "/") {
		return lost(at, "models of Vertex AI are those of Google and Anthropic; other publishers' are reached under /p/")
	}
	if s.prefix == "fireworks_ai" && !strings.HasPrefix(upstreamName, "accounts/") {
		upstreamName = "accounts/fireworks/models/" + upstreamName // as LiteLLM does
	}
	if !modelName(upstreamName) {
		return lost(at, "the model is missing, or has a name that Sluice does not take")
	}
	if guessed {
		im.at(at, Changed, "names no provider: it is taken for OpenAI's protocol")
	}
	a := im.account(s, base, params)
	if a == nil {
		return lost(params, "it has no address or credentials that can be used")
	}
	d := &deployment{account: im.join(a), model: strings.ReplaceAll(upstreamName, "${", "$${")}
	im.limits(d, params)
	if id := im.name(info, "id"); id != "" {
		im.byID[id] = d
	}
	im.leftover(info, infoReasons())
	im.leftover(params, paramReasons())
	return d
}

// modelName reports whether Sluice takes a name for a model.
func modelName(s string) bool { return printable(s) && fit(s) }

// find returns the value of a key without dealing with it.
func (t *sourceNode) find(key string) *sourceNode {
	for _, m := range t.members {
		if m.key == key {
			return m.value
		}
	}
	return nil
}

// useCredential puts a named credential in the place of what the parameters leave out.
func (im *importer) useCredential(params *sourceNode) {
	n := params.find("litellm_credential_name")
	name := im.name(params, "litellm_credential_name")
	if n == nil || name == "" {
		return
	}
	values, ok := im.credentials[name]
	if !ok {
		im.at(n, NotTaken, "there is no such entry in credential_list; one in LiteLLM's database cannot be read")
		return
	}
	for _, m := range values.members {
		if params.find(m.key) == nil {
			params.members = append(params.members, &member{key: m.key, pos: m.pos, value: m.value})
		}
	}
}

// account reads what a deployment says of its account; nil if there is no address.
func (im *importer) account(s service, base value, params *sourceNode) *account {
	a := &account{api: s.api}
	key := im.secret(params, "api_key")
	a.apiKey = key.text
	if s.api == "openai" {
		a.org = im.value(params, "organization").text
	}
	a.region = im.value(params, "region_name").text
	a.headers = im.headers(params)
	if s.api == "azure" && base.text == "" {
		base = value{text: "${AZURE_API_BASE}", ref: true, from: params}
	}
	switch {
	case base.text == "":
		a.baseURL = s.usualURL()
	case base.ref:
		a.baseURL = base.text + s.suffix
		if s.suffix != "" {
			im.at(base.from, Changed, s.suffix+" is appended: the variable must not end with a slash")
		}
	default:
		u := strings.TrimRight(base.text, "/")
		if s.api == "anthropic" {
			u = strings.TrimSuffix(u, "/messages")
		}
		a.baseURL = strings.TrimSuffix(u, s.suffix) + s.suffix
		if why := valid(a.baseURL, nil); why != "" {
			im.at(base.from, NotTaken, why)
			return nil
		}
		if s.suffix != "" {
			im.at(base.from, Changed, s.suffix+" is appended: Sluice speaks the server's OpenAI protocol")
		}
	}
	switch s.api {
	case "azure":
		im.azure(a, params)
	case "bedrock":
		im.bedrock(a, params)
	case "vertex":
		im.vertex(a, params)
	default:
		if a.baseURL == "" {
			return nil
		}
	}
	a.wish, a.port = wishFor(s, base)
	im.usualKey(a, s, base, params)
	if !im.usable(a, params) {
		return nil
	}
	if preset := upstream.PresetOf(s.api); a.baseURL == preset.BaseURL {
		a.baseURL = "" // the default
	}
	return a
}

// usualKey fills in the key that LiteLLM would find by itself.
func (im *importer) usualKey(a *account, s service, base value, params *sourceNode) {
	if a.apiKey != "" || s.keyVar == "" || len(a.settings) > 0 && a.settings[len(a.settings)-1].name == "client_secret" {
		return
	}
	if n := params.find("api_key"); n != nil && n.text != "" {
		return // it could not be taken over, and is reported
	}
	if s.name == "openai" && base.text != "" {
		im.at(params, Caution, "has no api_key: LiteLLM would send "+s.keyVar+" to this address, Sluice sends no key")
		return
	}
	a.apiKey = "${" + s.keyVar + "}"
	im.at(params, Changed, "has no api_key: "+s.keyVar+" is named, which LiteLLM reads by itself")
}

// headers reads extra_headers.
func (im *importer) headers(params *sourceNode) []header {
	var out []header
	for _, key := range []string{"extra_headers", "headers"} {
		t := im.section(params, key)
		if t == nil {
			continue
		}
		for _, m := range t.members {
			if m.value == nil {
				continue
			}
			v := im.value(t, m.key)
			if v.text == "" {
				continue
			}
			why := valid("", map[string]llm.Secret{m.key: llm.NewSecret("x")})
			if !fit(m.key) || why != "" {
				im.at(m.value, NotTaken, "the header "+why)
				continue
			}
			out = append(out, header{m.key, v.text})
		}
	}
	return out
}

// join finds the account of the same address and credentials, or adds a.
func (im *importer) join(a *account) *account {
	for _, b := range im.accounts {
		if a.same(b) {
			return b
		}
	}
	im.accounts = append(im.accounts, a)
	return a
}

// limits reads weights, order, time limits and concurrency.
func (im *importer) limits(d *deployment, params *sourceNode) {
	optional := func(key string) (*float64, *sourceNode) {
		if x, n, ok := im.number(params, key); ok {
			return &x, n
		}
		return nil, nil
	}
	d.weight, d.weightFrom = optional("weight")
	d.order, d.orderFrom = optional("order")
	d.rpm, d.tpm = im.rate(params, "rpm"), im.rate(params, "tpm")
	d.timeout, d.streamTimeout = im.seconds(params, "timeout"), im.seconds(params, "stream_timeout")
	if t := im.seconds(params, "request_timeout"); d.timeout.from == nil {
		d.timeout = t
	}
	var from *sourceNode
	if d.retries, from = optional("num_retries"); from == nil {
		d.retries, _ = optional("max_retries")
	}
	d.maxParallel, _ = im.count(params, "max_parallel_requests", 1e6)
	if d.maxParallel == 0 {
		d.maxParallel = im.maxParallel
	}
}

// rate reads a limit of a minute, which is a weight besides.
func (im *importer) rate(params *sourceNode, key string) *float64 {
	x, n, ok := im.number(params, key)
	switch {
	case !ok:
		return nil
	case x >= 1 && x <= maxRate:
		im.at(n, Changed, "is a quota of the target: calls wait for it rather than be refused; among several targets it counts as a weight, as with LiteLLM")
	default:
		im.at(n, NotTaken, "is no limit of a minute that Sluice takes; among several targets it counts as a weight, as with LiteLLM")
	}
	return &x
}

// maxRate is the largest rate that is taken over, well within what a quota can be.
const maxRate = 1e12

// wildcard takes over an entry for many models: an account serves patterns, and provider/model is always a valid name.
func (im *importer) wildcard(item *sourceNode, name string, d *deployment) {
	a := d.account
	prefix, pattern, cut := strings.Cut(name, "/")
	switch {
	case name == "*" || !cut && name == d.model:
		if !modelName(d.model) {
			break
		}
		for _, p := range a.patterns {
			if p == d.model {
				return
			}
		}
		a.patterns = append(a.patterns, d.model)
		im.at(item, Changed, "is a list of models of provider "+a.name+"; another provider's model is asked for as provider/model")
		return
	case cut && pattern == d.model && prefix == a.name:
		im.at(item, Changed, "needs no entry: every model of provider "+a.name+" can be asked for as "+a.name+"/model")
		return
	case cut && pattern == d.model:
		im.at(item, Changed, "its models are asked for as "+a.name+"/model, not by the prefix of before")
		return
	}
	im.at(item, NotTaken, "Sluice has no patterns that rewrite names; the provider's models can be asked for as "+a.name+"/model")
}
