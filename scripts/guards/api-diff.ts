/**
 * What two API reports differ by, and how much it weighs. Removed or changed is major; new exports, new members of what a package gives
 * (classes, functions, constants) and optional members of what others write (interfaces, types) are minor; a new member that others must
 * write is major.
 */
import ts from "typescript";
import type { Change } from "./weights.js";

/** Does this package make values of the type, or do others too? */
type Writer = "package" | "anyone";

const codeOf = (report: string): string => /```ts\n([\s\S]*?)```/.exec(report)?.[1] ?? "";

/** Text of a node without comments and layout. */
function plain(node: ts.Node | undefined): string {
  if (node === undefined) return "";
  const scanner = ts.createScanner(ts.ScriptTarget.ES2022, true, ts.LanguageVariant.Standard, node.getText());
  const tokens: string[] = [];
  while (scanner.scan() !== ts.SyntaxKind.EndOfFileToken) tokens.push(scanner.getTokenText());
  return tokens.join(" ");
}

/** Declarations by a key that overloads share with their place among them. */
function declarations(report: string): Map<string, ts.Node> {
  const file = ts.createSourceFile("report.d.ts", codeOf(report), ts.ScriptTarget.ES2022, true);
  const found = new Map<string, ts.Node>();
  const put = (key: string, node: ts.Node): void => {
    let free = key;
    for (let nth = 2; found.has(free); nth++) free = `${key} (overload ${nth})`;
    found.set(free, node);
  };
  for (const statement of file.statements) {
    if (ts.isVariableStatement(statement)) for (const each of statement.declarationList.declarations) put(each.name.getText(), each);
    else if (ts.isExportDeclaration(statement)) for (const each of exported(statement)) put(each, statement);
    else if (ts.isImportDeclaration(statement)) continue;
    else if (ts.isExportAssignment(statement)) put("default", statement);
    else if ("name" in statement && statement.name !== undefined) put((statement.name as ts.Node).getText(), statement);
  }
  return found;
}

const exported = ({ exportClause }: ts.ExportDeclaration): string[] =>
  exportClause && ts.isNamedExports(exportClause) ? exportClause.elements.map((each) => each.getText()) : [];

/** Members of a node that has some, by name; undefined for others. */
function membersOf(node: ts.Node | undefined): Map<string, ts.Node> | undefined {
  if (node === undefined) return undefined;
  const members: readonly ts.Node[] | undefined =
    ts.isInterfaceDeclaration(node) || ts.isClassDeclaration(node) || ts.isTypeLiteralNode(node) || ts.isEnumDeclaration(node)
      ? [...node.members]
      : undefined;
  if (members === undefined) return undefined;
  const found = new Map<string, ts.Node>();
  for (const member of members) {
    const name = "name" in member && member.name ? (member.name as ts.Node).getText() : ts.SyntaxKind[member.kind];
    let free = name;
    for (let nth = 2; found.has(free); nth++) free = `${name} (overload ${nth})`;
    found.set(free, member);
  }
  return found;
}

/** The type of a declaration, where that is all there is to it. */
function typeOf(node: ts.Node): ts.TypeNode | undefined {
  if (ts.isTypeAliasDeclaration(node) || ts.isVariableDeclaration(node) || ts.isPropertySignature(node) || ts.isPropertyDeclaration(node))
    return node.type;
  return undefined;
}

/** What stands before the members or the type: modifiers, name, parameters of types, heritage, the question mark. */
function head(node: ts.Node): string {
  const whole = plain(node);
  const type = typeOf(node);
  return type ? whole.slice(0, whole.length - plain(type).length) : whole.slice(0, whole.indexOf("{"));
}

const optional = (node: ts.Node): boolean => "questionToken" in node && node.questionToken !== undefined;

function compare(path: string, before: ts.Node, after: ts.Node, writer: Writer): Change[] {
  if (plain(before) === plain(after)) return [];
  const whole: Change[] = [{ weight: "major", what: `${path} has changed: ${brief(before)} is now ${brief(after)}` }];
  if (before.kind !== after.kind) return whole;
  const [old, now] = [membersOf(before), membersOf(after)];
  if (old && now) {
    if (head(before) !== head(after)) return whole;
    const given = writer === "package" || ts.isClassDeclaration(after) || ts.isEnumDeclaration(after);
    return [
      ...[...old].flatMap(([name, member]) => {
        const present = now.get(name);
        return present === undefined
          ? [{ weight: "major", what: `${path}.${name} is gone` } as const]
          : compare(`${path}.${name}`, member, present, given ? "package" : "anyone");
      }),
      ...[...now].flatMap(([name, member]): Change[] => {
        if (old.has(name)) return [];
        if (given || optional(member)) return [{ weight: "minor", what: `${path}.${name} is new` }];
        return [{ weight: "major", what: `${path}.${name} is new, and whoever writes such a value must give it` }];
      }),
    ];
  }
  const [oldType, newType] = [typeOf(before), typeOf(after)];
  if (oldType && newType && head(before) === head(after)) return compare(path, oldType, newType, writer);
  return whole;
}

const brief = (node: ts.Node): string => {
  const text = plain(node);
  return text.length > 120 ? `${text.slice(0, 117)}...` : text;
};

/** Reports also have what exports refer to and nobody can import: its changes count, its coming and going does not. */
function isExported(node: ts.Node): boolean {
  if (ts.isExportDeclaration(node) || ts.isExportAssignment(node)) return true;
  const statement = ts.isVariableDeclaration(node) ? node.parent.parent : node;
  return ts.canHaveModifiers(statement) && (ts.getModifiers(statement) ?? []).some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword);
}

/** All differences between a report and a later one. */
export function reportChanges(before: string, after: string): Change[] {
  const [old, now] = [declarations(before), declarations(after)];
  const changes: Change[] = [];
  for (const [name, node] of old) {
    const present = now.get(name);
    if (present === undefined) {
      if (isExported(node)) changes.push({ weight: "major", what: `${name} is gone` });
    } else changes.push(...compare(name, node, present, ts.isVariableDeclaration(node) ? "package" : "anyone"));
  }
  for (const [name, node] of now) if (!old.has(name) && isExported(node)) changes.push({ weight: "minor", what: `${name} is new` });
  return changes;
}
