# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the sley authors
#
# Makes the manual's pages of section 3 from the public headers, in mdoc(7): a page for each call, and one for each header.
#
# usage: awk -v out=DIRECTORY -v date=DATE -v release=NAME -f pages.awk include/sley.h include/sley/*.h
#        awk -v names=1 -f pages.awk include/sley.h include/sley/*.h      prints the names of the files instead
#
# A header is its own comment, and then blocks. A block is a comment and the declarations below it, up to a blank line.
# Each block with calls is a page. It has the name of its first call; a page of one line (.so) for each other call leads
# there. Functions X_at() without a comment belong to the page of the macro X(), and give its parameters their types.
#
# A comment is sorted by sentences:
#     "Returns ...", "Return ..."   RETURN VALUE. Items between semicolons that begin with -E are ERRORS
#     "-EINVAL: ...; -EIO."         ERRORS; also "Errors as of ..." and "Common errors: ..." of a header
#     "Task.", "Any thread, ..."    CALLABLE FROM
#     others                        DESCRIPTION
# Lines that are indented are kept as they are; lines that begin with "  - " are a list. A call that takes a deadline has
# -ETIMEDOUT and -ECANCELED, as sley.h says of all.
#
# Runs in any awk of POSIX.

BEGIN {
	concepts["base.h"] = "deadlines"
	concepts["blocking.h"] = "blocking threads"
	concepts["broadcast.h"] = "deadlines cancellation stacks"
	concepts["buffer.h"] = "deadlines cancellation"
	concepts["chan.h"] = "deadlines cancellation stacks"
	concepts["file.h"] = "blocking deadlines"
	concepts["future.h"] = "tasks stacks"
	concepts["generator.h"] = "tasks stacks"
	concepts["io.h"] = "deadlines cancellation blocking"
	concepts["local.h"] = "tasks cancellation"
	concepts["monitor.h"] = "tasks cancellation"
	concepts["name.h"] = "deadlines blocking"
	concepts["offload.h"] = "blocking threads"
	concepts["posix.h"] = "blocking threads"
	concepts["process.h"] = "deadlines"
	concepts["runtime.h"] = "tasks threads stacks blocking"
	concepts["scope.h"] = "tasks cancellation deadlines"
	concepts["select.h"] = "deadlines cancellation stacks"
	concepts["signal.h"] = "threads"
	concepts["sley.h"] = "tasks stacks cancellation deadlines blocking threads"
	concepts["socket.h"] = "deadlines cancellation"
	concepts["stream.h"] = "tasks deadlines"
	concepts["sync.h"] = "deadlines stacks threads"
	concepts["task.h"] = "tasks stacks cancellation"
	concepts["timer.h"] = "deadlines stacks"
	concepts["watch.h"] = "deadlines cancellation stacks"
}

# ---- reading ----

function end_block() {
	if (comment != "" || code != "")
		add_block()
	comment = code = ""
}

FNR == 1 {
	end_block()
	file = FILENAME
	sub(/.*\//, "", file)
	files[++file_count] = file
	# of sley.h, or of a header in its directory
	path[file] = FILENAME ~ /(^|\/)sley\/[^\/]*$/ ? "sley/" file : file
	skipped = depth = 0
}

# What is for C++ alone is left out, up to #else or #endif.
/^#ifdef __cplusplus/ && !skipped { skipped = 1; nested = 0; next }
skipped == 1 && /^#if/ { nested++ }
skipped == 1 && nested && /^#endif/ { nested--; next }
skipped == 1 && !nested && /^#else/ { skipped = 2; next }
skipped && !nested && /^#endif/ { skipped = 0; next }
skipped == 1 { next }

/^\/\* (SPDX|Copyright|clang-format)/ { next }
/^#(include|ifndef|if|endif|undef|else|define SLEY(_[A-Z]+)?_H$)/ { next }

in_comment || /^\/\*/ {
	text = $0
	in_comment = text !~ /\*\/$/
	sub(/ *\*\/$/, "", text)
	sub(/^\/\* ?/, "", text)
	sub(/^ \* ?/, "", text)
	if (text ~ /^---- .* ----$/)
		next
	comment = comment text "\n"
	next
}

$0 == "" && !depth { end_block(); next }

{
	code = code $0 "\n"
	text = $0
	depth += gsub(/\{/, "", text)
	depth -= gsub(/\}/, "", text)
}

# strip TEXT: without blanks around it.
function strip(text) {
	sub(/^[ \t\n]+/, "", text)
	sub(/[ \t\n]+$/, "", text)
	return text
}

# split_list TEXT, LIST: splits at commas that stand in no parentheses. Returns the number of parts.
function split_list(text, list,    i, c, level, n) {
	n = 1
	list[1] = ""
	for (i = 1; i <= length(text); i++) {
		c = substr(text, i, 1)
		if (c == "(")
			level++
		if (c == ")")
			level--
		if (c == "," && !level)
			list[++n] = ""
		else
			list[n] = list[n] c
	}
	for (i = 1; i <= n; i++)
		list[i] = strip(list[i])
	return n
}

# add_call NAME: a call of the block.
function add_call(name) {
	header_of[name] = file
	calls[block] = calls[block] " " name
}

# add_function TEXT: a declaration, without SLEY_API.
function add_function(text,    name, end, part) {
	gsub(/[ \t\n]+/, " ", text)
	sub(/ __attribute__\(\(.*/, "", text)
	text = strip(text)
	sub(/\)$/, "", text)
	match(text, /[A-Za-z0-9_]+\(/)
	name = substr(text, RSTART, RLENGTH - 1)
	type_of[name] = strip(substr(text, 1, RSTART - 1))
	parameters[name] = substr(text, RSTART + RLENGTH)
	add_call(name)
}

# add_macro TEXT: a definition, in one line.
function add_macro(text,    name, end) {
	sub(/^#define /, "", text)
	match(text, /^[A-Za-z0-9_]*/)
	name = substr(text, 1, RLENGTH)
	if (name ~ /_$/ || name == "SLEY_API" || name == "errno")
		return
	if (substr(text, RLENGTH + 1, 1) != "(" || comment == "") {
		others[block] = 1
		return
	}
	text = substr(text, RLENGTH + 2)
	end = index(text, ")")
	macro_of[name] = substr(text, 1, end - 1)
	expansion[name] = strip(substr(text, end + 1))
	add_call(name)
}

# add_block: sorts what stands in `code`, under `comment`.
function add_block(    n, i, lines, line, text, statement, tag) {
	if (code == "") {
		# the header's own comment, and those that stand alone
		intro[file] = intro[file] (intro[file] == "" ? "" : "\n") comment
		return
	}
	block = ++block_count
	file_of[block] = file
	comment_of[block] = comment
	n = split(code, lines, "\n")
	for (i = 1; i <= n; i++) {
		line = lines[i]
		if (line ~ /^#define /) {
			text = line
			while (text ~ /\\$/) {
				sub(/[ \t]*\\$/, " ", text)
				sub(/^[ \t]+/, "", lines[++i])
				text = text lines[i]
			}
			add_macro(text)
		} else if (line ~ /^SLEY_API /) {
			text = substr(line, 10)
			while (text !~ /;$/)
				text = text " " lines[++i]
			sub(/;$/, "", text)
			add_function(text)
		} else if (line ~ /^(struct|enum) sley_[a-z_]* \{/) {
			split(line, statement, " ")
			tag = statement[1] " " statement[2]
			tags[++tag_count] = tag
			block_of_type[tag] = block
			others[block] = 1
			text = line
			for (hidden = line ~ /private/ || comment ~ /fields are private/; line !~ /\};$/;)
				text = text "\n" (line = lines[++i])
			definition[tag] = hidden ? tag ";\n" : text "\n"
		} else if (line ~ /^(struct sley_[a-z_]*|typedef .*);/) {
			others[block] = 1
		}
	}
	code_of[block] = code
}

# ---- writing ----

function put(line) {
	print line >target
}

# escaped TEXT: for a line of text.
function escaped(text) {
	gsub(/\\/, "\\e", text)
	gsub(/(^|[^A-Za-z0-9])-/, "&\001", text)
	gsub(/-\001/, "\\-", text)
	return text ~ /^[.']/ ? "\\&" text : text
}

function argument(text) {
	text = escaped(text)
	gsub(/"/, "\\(dq", text)
	return "\"" text "\""
}

# flush: writes the words of `line`.
function flush() {
	if (line_text != "")
		put(line_text)
	line_text = ""
}

# macro_line MACRO WORD BEFORE AFTER: a line with a macro, between punctuation.
function macro_line(macro, before, after,    i, text) {
	flush()
	text = "." (before == "" ? macro : substr(macro, 1, 2) " " before substr(macro, 3))
	for (i = 1; i <= length(after); i++)
		text = text " " substr(after, i, 1)
	put(text)
}

# put_sentence TEXT: with references as such, in lines of less than 80 bytes.
function put_sentence(text,    n, i, words, word, before, after, bare) {
	n = split(text, words, " ")
	for (i = 1; i <= n; i++) {
		word = words[i]
		# what stands between ` and ` is one word
		if (word ~ /^[(]?`/ && word !~ /`[^`]*`/)
			while (i < n && words[i] !~ /.`/)
				word = word " " words[++i]
		before = after = ""
		bare = word
		if (bare ~ /^\(/ && bare ~ /[`)]/) {
			before = "("
			bare = substr(bare, 2)
		}
		if (match(bare, /[.,;:)?!]+$/) && bare !~ /\.\.\.$/ && !(bare ~ /\([0-9]?\)$/ && before == "")) {
			after = substr(bare, RSTART)
			bare = substr(bare, 1, RSTART - 1)
			if (bare ~ /\([0-9]?$/) { # the parenthesis is that of the name
				bare = bare ")"
				after = substr(after, 2)
			}
		}
		if (bare ~ /^(sley|SLEY)_[A-Za-z0-9_]*\(\)$/ && (substr(bare, 1, length(bare) - 2) in page_of)) {
			bare = substr(bare, 1, length(bare) - 2)
			if (page_of[bare] == page)
				macro_line("Fn " bare, before, after)
			else
				macro_line("Xr " bare " 3", before, after)
		} else if (bare ~ /^[a-z_0-9.]+\([1-9]\)$/) {
			macro_line("Xr " substr(bare, 1, length(bare) - 3) " " substr(bare, length(bare) - 1, 1), before, after)
		} else if (bare ~ /^-E[A-Z0-9]+$/) {
			macro_line("Er \\" bare, before, after)
		} else if (bare ~ /^`[^`]*`$/) {
			macro_line("Ql " argument(substr(bare, 2, length(bare) - 2)), before, after)
		} else if (bare ~ /^\*[^*]+\*$/) {
			macro_line("Em " substr(bare, 2, length(bare) - 2), before, after)
		} else {
			if (length(line_text) + length(word) > 72)
				flush()
			line_text = line_text == "" ? escaped(word) : line_text " " escaped_inside(word)
		}
	}
	flush()
}

function escaped_inside(word) {
	word = escaped(word)
	sub(/^\\&/, "", word)
	return word
}

# next_sentence: takes the first sentence off `rest`.
function next_sentence(    i, c, d, sentence) {
	rest = strip(rest)
	for (i = 1; i < length(rest); i++) {
		if (substr(rest, i + 1, 1) !~ /[ ]/)
			continue
		c = substr(rest, i, 1)
		d = i > 1 ? substr(rest, i - 1, 1) : ""
		if ((c ~ /[.?!]/ && d != ".") || (c ~ /[)"]/ && d ~ /[.?!]/)) {
			sentence = substr(rest, 1, i)
			rest = substr(rest, i + 1)
			return sentence
		}
	}
	sentence = rest
	rest = ""
	return sentence
}

function is_context(sentence) {
	return sentence ~ /^(Task|The task of|Any thread|Plain threads only|For the owner|By tasks|Callable|Not from|Also outside of|It may be called by)[^a-z]/
}

# add_error ITEM: "-EIO: text", or more of the one before.
function add_error(item, common,    name) {
	if (item ~ /^-E/) {
		match(item, /^-E[A-Z0-9]+((,| and) -E[A-Z0-9]+)*( \.\.\.)?/)
		name = substr(item, 1, RLENGTH)
		item = substr(item, RLENGTH + 1)
		gsub(/ and /, ", ", name)
		sub(/^[: ]+/, "", item)
		if (common && has_error(name))
			return
		error_name[++errors] = name
		error_text[errors] = item
		error_common[errors] = common
	} else if (common || item ~ /^else /) {
		error_note[common] = error_note[common] capital(item) ". "
	} else if (errors) {
		error_text[errors] = error_text[errors] (error_text[errors] == "" ? "" : "; ") item
	} else {
		error_prefix = error_prefix item " "
	}
}

# sort_returns SENTENCE: into RETURN VALUE and ERRORS.
function sort_returns(sentence, common,    n, i, items) {
	sub(/\.$/, "", sentence)
	sub(/, and: -E/, "; -E", sentence)
	n = split(sentence, items, /; /)
	for (i = 1; i <= n; i++) {
		if (items[i] ~ /^-E/ || errors_began) {
			add_error(items[i], common)
			errors_began = 1
		} else {
			returns = returns (i == 1 ? (returns == "" ? "" : ". ") : "; ") items[i]
		}
	}
	errors_began = 0
}

# sort_text TEXT: a paragraph of a call's comment. Returns what is description.
function sort_text(text,    sentence, described) {
	rest = text
	while (rest != "") {
		sentence = next_sentence()
		if (sentence ~ /^Returns? /) {
			sort_returns(sentence, "")
		} else if (sentence ~ /^-E/) {
			errors_began = 1
			sort_returns(sentence, "")
		} else if (sentence ~ /^(Other e|E)rrors (as|of)/) {
			sub(/\.$/, "", sentence)
			error_prefix = error_prefix (sentence ~ /;/ ? substr(sentence, 1, index(sentence, ";") - 1) : sentence) ". "
			if (sentence ~ /; -E/) {
				errors_began = 1
				sort_returns(substr(sentence, index(sentence, "; -E") + 2) ".", "")
			}
		} else if (is_context(sentence)) {
			context = context (context == "" ? "" : " ") sentence
		} else {
			if (sentence ~ /(^|; )-E[A-Z0-9]+(:|;|$)/)
				complain(page ": errors within a sentence: " sentence)
			described = described (described == "" ? "" : "\n") sentence
		}
	}
	return described
}

# capital TEXT: with a capital letter, unless it begins with a name.
function capital(text) {
	return text ~ /^[a-z]+([ ,;:.-]|$)/ && text !~ /^(fn|arg|n) / ? toupper(substr(text, 1, 1)) substr(text, 2) : text
}

# put_sentences TEXT
function put_sentences(text) {
	rest = text
	while (rest != "")
		put_sentence(next_sentence())
}

function complain(text) {
	print "pages.awk: " text >"/dev/stderr"
	bad = 1
}

function begin_display(indent) {
	put(".Bd -literal" (indent ? " -offset indent" : ""))
}

# end_paragraph: writes what was gathered of text. SORTED: takes out what other sections have.
function end_paragraph(sorted,    n, i, sentences) {
	if (gathered == "")
		return
	if (sorted && !in_list)
		gathered = sort_text(gathered)
	else {
		rest = gathered
		gathered = ""
		while (rest != "")
			gathered = gathered (gathered == "" ? "" : "\n") next_sentence()
	}
	if (gathered == "")
		return
	if (in_list)
		put(".It")
	else if (between)
		put(".Pp")
	between = 1
	n = split(gathered, sentences, "\n")
	for (i = 1; i <= n; i++)
		put_sentence(sentences[i])
	gathered = ""
}

function end_list() {
	if (in_list)
		put(".El")
	in_list = 0
}

# put_comment TEXT SORTED: paragraphs, lists and displays.
function put_comment(text, sorted,    n, i, lines, line, literal) {
	n = split(text, lines, "\n")
	gathered = ""
	in_list = 0
	for (i = 1; i <= n; i++) {
		line = lines[i]
		if (line ~ /^  - /) {
			end_paragraph(sorted)
			if (!in_list)
				put(".Bl -bullet")
			in_list = 1
			gathered = substr(line, 5)
		} else if (line ~ (in_list ? "^      " : "^    ")) {
			end_paragraph(sorted)
			begin_display(1)
			while (i <= n && lines[i] ~ /^(    .*|)$/ && !(lines[i] == "" && lines[i + 1] !~ /^    /)) {
				literal = substr(lines[i], 5)
				gsub(/\\/, "\\e", literal)
				gsub(/-/, "\\-", literal)
				put(literal ~ /^[.']/ ? "\\&" literal : literal)
				i++
			}
			i--
			put(".Ed")
		} else if (line == "") {
			end_paragraph(sorted)
		} else if (line !~ /^  / && in_list) {
			end_paragraph(sorted)
			end_list()
			gathered = line
		} else {
			gathered = gathered (gathered == "" ? "" : " ") strip(line)
		}
	}
	end_paragraph(sorted)
	end_list()
}

# summary COMMENT: its first sentence, in short.
function summary(text) {
	gsub(/\n/, " ", text)
	rest = text
	text = next_sentence()
	sub(/\.$/, "", text)
	sub(/: .*/, "", text)
	sub(/:$/, "", text)
	gsub(/`/, "", text)
	if (text !~ /^[A-Z][A-Z]/ && text !~ /^[A-Z][a-z]*['A-Z]/)
		text = tolower(substr(text, 1, 1)) substr(text, 2)
	return text
}

# put_code TEXT: as it is.
function put_code(text,    n, i, lines) {
	begin_display(0)
	n = split(text, lines, "\n")
	for (i = 1; i < n; i++) {
		gsub(/\\/, "\\e", lines[i])
		gsub(/-/, "\\-", lines[i])
		gsub(/\t/, "    ", lines[i])
		put(lines[i] ~ /^[.']/ ? "\\&" lines[i] : lines[i])
	}
	put(".Ed")
}

# put_prototype NAME: the call, with types. Those of a macro are those of the function behind it.
function put_prototype(name,    n, i, m, j, list, behind, args, given, from, type) {
	if (!(name in macro_of)) {
		put(".Ft " argument(type_of[name]))
		put(".Fo " name)
		n = split_list(parameters[name], list)
		for (i = 1; i <= n; i++)
			put(".Fa " argument(list[i]))
		put(".Fc")
		return
	}
	behind = expansion[name]
	sub(/\(.*/, "", behind)
	n = split_list(macro_of[name], given)
	if (!(behind in type_of)) {
		put(".Fo " name)
		for (i = 1; i <= n; i++)
			put(".Fa " argument(given[i]))
		put(".Fc")
		return
	}
	args = expansion[name]
	sub(/^[^(]*\(/, "", args)
	sub(/\)$/, "", args)
	m = split_list(args, from)
	split_list(parameters[behind], list)
	put(".Ft " argument(type_of[behind]))
	put(".Fo " name)
	for (i = 1; i <= n; i++) {
		type = given[i]
		for (j = 1; j <= m; j++)
			if (from[j] == "(" given[i] ")")
				type = list[j] ~ /\*$/ ? list[j] given[i] : list[j]
		put(".Fa " argument(type))
	}
	put(".Fc")
}

function begin_page(name) {
	target = out "/man3/" name ".3"
	page = name
	put(".\\\" Made from the headers by tools/man/pages.awk: change those.")
	put(".Dd " date)
	put(".Dt " toupper(name) " 3")
	put(".Os " release)
	put(".Sh NAME")
}

# put_references LIST: "name section", in order.
function put_references(list, n,    i, j, swap) {
	for (i = 2; i <= n; i++)
		for (j = i; j > 1 && rank(list[j]) < rank(list[j - 1]); j--) {
			swap = list[j]
			list[j] = list[j - 1]
			list[j - 1] = swap
		}
	put(".Sh SEE ALSO")
	for (i = 1; i <= n; i++)
		put(".Xr " list[i] (i < n ? " ," : ""))
}

function rank(reference) {
	return substr(reference, length(reference)) " " tolower(reference)
}

function add_concepts(list, n, header,    m, i, words) {
	m = split(concepts[header], words, " ")
	for (i = 1; i <= m; i++)
		list[++n] = "sley_" words[i] " 7"
	list[++n] = "sley 7"
	return n
}

function header_page(header) {
	return header == "sley.h" ? "sley.h" : "sley_" header
}

# put_errors COMMON: a list of those that are (not) common to the header's calls.
function put_errors(common,    i, first) {
	first = 1
	for (i = 1; i <= errors; i++) {
		if (error_common[i] != common)
			continue
		if (first)
			put(".Bl -tag -width Er")
		first = 0
		errors_written = 1
		put(".It " error_tag(error_name[i]))
		if (error_text[i] != "")
			put_sentence(capital(error_text[i]) ".")
		else
			put_sentence(plain_error(error_name[i]))
	}
	if (!first)
		put(".El")
}

# put_note COMMON: what is said of errors without a name.
function put_note(common) {
	if (error_note[common] == "")
		return
	if (errors_written)
		put(".Pp")
	errors_written = 1
	put_sentences(error_note[common])
}

function error_tag(text) {
	gsub(/-/, "\\-", text)
	gsub(/,/, " ,", text)
	return "Er " text
}

function plain_error(name) {
	if (name == "-ENOMEM")
		return "There is not enough memory."
	if (name == "-ETIMEDOUT")
		return "The deadline came while the call waited."
	if (name == "-ECANCELED")
		return "The calling task was cancelled, and the call had to wait."
	if (name == "-EFAULT")
		return "A pointer leads to a copying stack: see sley_stacks(7)."
	if (name == "-ENOTCONN")
		return "No run is under way, or it is over."
	return "As in errno(3)."
}

# gather_common HEADER: the errors that its comment says are common, and from where its calls may be made.
function gather_common(header,    n, i, paragraphs, sentence, common) {
	n = split(intro[header], paragraphs, "\n\n")
	for (i = 1; i <= n; i++) {
		rest = paragraphs[i]
		gsub(/\n/, " ", rest)
		for (common = 0; rest != "";) {
			sentence = next_sentence()
			if (sub(/^Common errors[^:]*: /, "", sentence))
				common = 1
			else if (common && sentence ~ /^[^-]/)
				common = 0
			if (common) {
				sub(/\.$/, "", sentence)
				gather_items(sentence)
			}
			if (sentence ~ /^(All calls|The calls|These calls|A call that has to read or write|Others) (are|is) for/)
				common_context = common_context (common_context == "" ? "" : " ") sentence
		}
	}
}

function gather_items(sentence,    n, i, items) {
	n = split(sentence, items, /; /)
	for (i = 1; i <= n; i++) {
		add_error(items[i], 1)
	}
}

function has_error(name,    i) {
	for (i = 1; i <= errors; i++)
		if (index(error_name[i] ",", name ",") || index(error_name[i] " ", name " "))
			return 1
	return 0
}

# write_call_page BLOCK
function write_call_page(b,    n, i, names, header, count, list, code, text, m, type, k, waits, others_behind) {
	n = split(calls[b], names, " ")
	header = file_of[b]
	begin_page(names[1])
	for (i = 1; i <= n; i++)
		put(".Nm " names[i] (i < n ? " ," : ""))
	put(".Nd " escaped(summary(comment_of[b])))
	put(".Sh SYNOPSIS")
	put(".In " path[header == "posix.h" ? header : "sley.h"])
	# the structs that the prototypes name, and the block's own
	code = ""
	for (i = 1; i <= n; i++)
		code = code " " ((names[i] in macro_of) ? parameters[behind_of(names[i])] : parameters[names[i]])
	for (i = 1; i <= tag_count; i++) {
		type[i] = tags[i] != "struct sley_site" && index(code, tags[i] " ") && block_of_type[tags[i]] != b
		if (type[i] && definition[tags[i]] != tags[i] ";\n")
			put_code(definition[tags[i]])
	}
	if (others[b])
		put_code(types_of(code_of[b]))
	waits = code ~ /sley_time (deadline|until)/ && header != "posix.h" # which has errno
	for (i = 1; i <= n; i++)
		put_prototype(names[i])
	m = split(behind[b], others_behind, " ")
	for (i = 1; i <= m; i++)
		put_prototype(others_behind[i])
	put(".Sh DESCRIPTION")
	between = errors = 0
	returns = context = error_prefix = error_note[0] = error_note[1] = ""
	put_comment(comment_of[b], 1)
	for (i = 1; i <= tag_count; i++)
		if (type[i] && (text = comment_of[block_of_type[tags[i]]]) !~ /^The fields are private/)
			put_comment(text, 0)
	if (!between)
		put_sentence(capital(summary(comment_of[b])) ".")
	for (k = errors; k && error_common[k] == ""; k--)
		error_common[k] = 0
	if (waits && !has_error("-ETIMEDOUT") && comment_of[b] !~ /-ETIMEDOUT/)
		add_error("-ETIMEDOUT", 0)
	if (waits && !has_error("-ECANCELED") && comment_of[b] !~ /-ECANCELED/)
		add_error("-ECANCELED", 0)
	common_context = ""
	for (i = 1; i <= n && type_of[names[i]] == "void"; i++)
		;
	if (i <= n) {
		gather_common(header)
		if (index(intro[header], "rules of sley/io.h"))
			gather_common("io.h")
	}
	if (returns != "") {
		put(".Sh RETURN VALUES")
		put_sentences(returns ".")
		if (errors)
			put_sentence("On failure it is a negative errno value.")
	}
	if (context == "")
		context = common_context
	sub(/^All calls are for tasks.*/, "Task.", context)
	sub(/^The(se)? calls are for any thread.*/, "Any thread.", context)
	if (context != "") {
		put(".Sh CALLABLE FROM")
		put_sentences(context)
		if (context ~ /^(Task|Any thread|Plain)/)
			put_sentence("See sley.h(3) for what this means.")
	}
	if (errors || error_prefix error_note[0] error_note[1] != "") {
		put(".Sh ERRORS")
		errors_written = error_prefix != ""
		put_sentences(error_prefix)
		put_errors(0)
		put_note(0)
		for (k = 1; k <= errors && error_common[k] != 1; k++)
			;
		if (k <= errors) {
			if (errors_written)
				put(".Pp")
			put_sentence("Common to the calls of this header, where they can happen:")
			put_errors(1)
			put_note(1)
		}
	}
	count = 0
	list[++count] = header_page(header) " 3"
	# its neighbours in the header
	for (k = b - 3; k <= b + 3; k++)
		if (k != b && file_of[k] == header && calls[k] != "" && comment_of[k] != "") {
			split(calls[k], names, " ")
			list[++count] = names[1] " 3"
		}
	count = add_concepts(list, count, header)
	put_references(list, count)
	close(target)
}

function behind_of(macro,    text) {
	text = expansion[macro]
	sub(/\(.*/, "", text)
	return text
}

# types_of CODE: the definitions in it, without functions and macros that are calls.
function types_of(code,    n, i, lines, text, keep) {
	n = split(code, lines, "\n")
	for (i = 1; i < n; i++) {
		if (lines[i] ~ /^(SLEY_API|__extension__)/ || lines[i] ~ /^#define [A-Za-z_0-9]*\(/)
			keep = 0
		else if (lines[i] ~ /^[^ \t}]/)
			keep = 1
		if (keep)
			text = text lines[i] "\n"
	}
	return text
}

# write_header_page HEADER
function write_header_page(header,    b, n, names, i, count, list, tag, text, first) {
	begin_page(header_page(header))
	put(".Nm " header_page(header))
	text = strip(intro[header])
	sub(/^sley: /, "", text)
	put(".Nd " escaped(summary(text)))
	put(".Sh SYNOPSIS")
	put(".In " path[header])
	put(".Sh DESCRIPTION")
	between = 0
	put_comment(intro[header], 0)
	first = 1
	for (b = 1; b <= block_count; b++) {
		if (file_of[b] != header || !others[b])
			continue
		text = types_of(code_of[b])
		if (text == "" || text ~ /_\(|sley_[a-z]*_;/)
			continue
		if (comment_of[b] == "" && text ~ /^struct sley_[a-z]*;\n$/)
			continue
		if (first)
			put(".Sh TYPES AND CONSTANTS")
		first = between = 0
		if (calls[b] == "" || comment_of[b] == "")
			put_comment(comment_of[b], 0)
		if (match(text, /(struct|enum) sley_[a-z_]* \{/)) {
			tag = substr(text, RSTART, RLENGTH - 2)
			if (definition[tag] == tag ";\n")
				text = definition[tag]
		}
		put_code(text)
	}
	first = 1
	count = 0
	for (b = 1; b <= block_count; b++) {
		if (file_of[b] != header || calls[b] == "" || comment_of[b] == "")
			continue
		if (first) {
			put(".Sh CALLS")
			put(".Bl -tag -width indent")
		}
		first = 0
		n = split(calls[b], names, " ")
		put(".It Xr " names[1] " 3")
		text = ""
		for (i = 2; i <= n; i++)
			text = text (i == 2 ? "And " : ", ") names[i] "()"
		put_sentence(capital(summary(comment_of[b])) ".")
		if (text != "")
			put_sentence(text ".")
	}
	if (!first)
		put(".El")
	if (header == "sley.h") {
		for (i = 1; i <= file_count; i++)
			if (files[i] != "sley.h")
				list[++count] = header_page(files[i]) " 3"
	} else {
		list[++count] = "sley.h 3"
	}
	count = add_concepts(list, count, header)
	put_references(list, count)
	close(target)
}

END {
	end_block()
	for (b = 1; b <= block_count; b++) {
		n = split(calls[b], list, " ")
		if (n && comment_of[b] == "") {
			for (i = 1; i <= n; i++) {
				base = list[i]
				if (!sub(/_at$/, "", base) || !(base in macro_of))
					complain(list[i] "() has no comment")
				joined[list[i]] = base
			}
			continue
		}
		for (i = 1; i <= n; i++) {
			page_of[list[i]] = list[1]
			block_of[list[i]] = b
		}
	}
	for (name in joined) {
		page_of[name] = page_of[joined[name]]
		behind[block_of[joined[name]]] = behind[block_of[joined[name]]] " " name
	}
	for (i = 1; i <= file_count; i++)
		page_of[header_page(files[i])] = header_page(files[i])
	if (names) {
		for (name in page_of)
			print name ".3"
		exit bad
	}
	for (b = 1; b <= block_count; b++)
		if (calls[b] != "" && comment_of[b] != "")
			write_call_page(b)
	for (name in page_of)
		if (page_of[name] != name) {
			target = out "/man3/" name ".3"
			put(".so man3/" page_of[name] ".3")
			close(target)
		}
	for (i = 1; i <= file_count; i++)
		write_header_page(files[i])
	exit bad
}
