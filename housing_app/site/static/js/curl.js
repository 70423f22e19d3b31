// The request that was sent, as a command for a shell.
import { hasToken, predictPath } from "./api.js";

const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

export function command(home, slot, options) {
  const lines = [
    `curl -s ${quoted(location.origin + predictPath(slot, options))}`,
    `-H ${quoted("Content-Type: application/json")}`,
    // A name, not the token: this is made to be pasted into chats and files.
    ...(hasToken() ? ['-H "Authorization: Bearer $TOKEN"'] : []),
    `-d ${quoted(JSON.stringify(home))}`,
  ];
  return lines.join(" \\\n  ");
}

// Browsers give the clipboard to secure pages alone; elsewhere the text is selected.
export async function copy(node) {
  try {
    await navigator.clipboard.writeText(node.textContent);
    return "Copied.";
  } catch {
    getSelection().selectAllChildren(node);
    return "The browser does not let this page copy: the text is selected.";
  }
}
