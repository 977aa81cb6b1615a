package lint

// Rule is one architecture rule.
type Rule struct {
	Name  string                 // short, for findings
	Doc   string                 // what it demands, one sentence
	Check func(*Repo, *Reporter) // reports every breach
}

// Reporter collects the findings of one rule.
type Reporter struct {
	rule     string
	findings []Finding
}

// Report adds a finding at pos.
func (r *Reporter) Report(pos, text string) {
	r.findings = append(r.findings, Finding{Rule: r.rule, Pos: pos, Text: text})
}

// Run returns the findings of the rules over the repo.
func Run(r *Repo, rules ...Rule) []Finding {
	var all []Finding
	for _, rule := range rules {
		rep := &Reporter{rule: rule.Name}
		rule.Check(r, rep)
		all = append(all, rep.findings...)
	}
	return all
}

// Rules returns every rule, those on the tree first, then on imports, code and comments.
func Rules() []Rule {
	return []Rule{
		{"toplevel", "the top level holds only the entries that were agreed on", checkTopLevel},
		{"requires", "go.mod requires exactly the four modules", checkRequires},
		{"references", "no file refers to places outside the repository", checkReferences},
		{"leftovers", "no marker of unfinished work is left", checkLeftovers},
		{"filesize", "no hand-written Go file is longer than 800 lines", checkFileSize},
		{"generated", "generated files say so, and their package says how", checkGenerated},
		{"layers", "a package imports only packages of the layers below it", checkLayers},
		{"modules", "other modules are imported only where they are meant to be", checkModules},
		{"std", "library code stays off packages with global state or slow paths", checkStd},
		{"init", "there is no init function", checkInit},
		{"exit", "library code does not end the process or print", checkExit},
		{"panic", "library code panics only on listed misuse of its API", checkPanic},
		{"globals", "no package-level variable changes after initialisation", checkGlobals},
		{"unsafe", "unsafe is imported only by listed files", checkUnsafe},
		{"zap", "loggers are passed in, and are not sugared", checkZap},
		{"sleep", "tests do not sleep", checkSleep},
		{"skip", "tests skip only through internal/peers", checkSkip},
		{"packagedoc", "every package has a comment, a public one in doc.go", checkPackageDoc},
		{"comments", "every exported name has a comment", checkComments},
		{"examples", "every public package has an Example", checkExamples},
		{"exceptions", "every exception is still needed", checkExceptions},
	}
}
