// Texts of the page in the person's language; the catalogue is Django's JavaScriptCatalog.

export const locale = document.documentElement.lang || "en";

export function gettext(text) {
  return window.gettext ? window.gettext(text) : text;
}

export function ngettext(singular, plural, count) {
  if (window.ngettext) return window.ngettext(singular, plural, count);
  return count === 1 ? singular : plural;
}

/** Put `values` into the `%(name)s` places of `text`. */
export function fill(text, values) {
  return text.replace(/%\((\w+)\)s/g, (_all, name) => String(values[name]));
}

export function number(value, digits = 0) {
  return new Intl.NumberFormat(locale, {
    minimumFractionDigits: digits, maximumFractionDigits: digits,
  }).format(value);
}

export function clockTime(date) {
  return new Intl.DateTimeFormat(locale, { hour: "numeric", minute: "2-digit" }).format(date);
}

/** Seconds as words for a screen reader and for notices: "5 minutes", "40 seconds". */
export function duration(seconds) {
  if (seconds >= 60) {
    const minutes = Math.round(seconds / 60);
    return fill(ngettext("%(n)s minute", "%(n)s minutes", minutes), { n: minutes });
  }
  const rest = Math.max(0, Math.round(seconds));
  return fill(ngettext("%(n)s second", "%(n)s seconds", rest), { n: rest });
}
