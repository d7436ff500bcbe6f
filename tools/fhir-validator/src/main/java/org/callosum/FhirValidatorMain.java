package org.callosum;

import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.validation.FhirValidator;
import ca.uhn.fhir.validation.ResultSeverityEnum;
import ca.uhn.fhir.validation.SingleValidationMessage;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.hl7.fhir.common.hapi.validation.support.CachingValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.CommonCodeSystemsTerminologyService;
import org.hl7.fhir.common.hapi.validation.support.InMemoryTerminologyServerValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.ValidationSupportChain;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;

/**
 * Validates R4 resources: every .json file of a folder (first argument), or one resource a line on stdin.
 * Prints one JSON object for each error; exit status 1 when there was one, 2 when nothing was validated.
 */
public final class FhirValidatorMain {
  private final FhirValidator validator;
  private int validated;
  private int errors;

  private FhirValidatorMain() {
    FhirContext context = FhirContext.forR4();
    ValidationSupportChain chain = new ValidationSupportChain(
        new DefaultProfileValidationSupport(context),
        new CommonCodeSystemsTerminologyService(context),
        new InMemoryTerminologyServerValidationSupport(context));
    FhirInstanceValidator instance = new FhirInstanceValidator(new CachingValidationSupport(chain));
    instance.setAnyExtensionsAllowed(true);
    // Profiles of other guides are not here; a resource that claims one is still checked against R4.
    instance.setErrorForUnknownProfiles(false);
    validator = context.newValidator().registerValidatorModule(instance);
  }

  public static void main(String[] arguments) throws IOException {
    FhirValidatorMain run = new FhirValidatorMain();
    if (arguments.length > 0) run.folder(Path.of(arguments[0]));
    else run.lines();
    System.err.println(run.validated + " resources validated, " + run.errors + " errors");
    System.exit(run.validated == 0 ? 2 : run.errors > 0 ? 1 : 0);
  }

  private void folder(Path folder) throws IOException {
    List<Path> files;
    try (Stream<Path> walk = Files.walk(folder)) {
      files = walk.filter(path -> path.toString().endsWith(".json")).sorted().toList();
    }
    for (Path file : files) validate(folder.relativize(file).toString(), Files.readString(file));
  }

  private void lines() throws IOException {
    BufferedReader reader = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    int number = 0;
    for (String line = reader.readLine(); line != null; line = reader.readLine()) {
      number++;
      if (!line.isBlank()) validate("line " + number, line);
    }
  }

  private void validate(String source, String text) {
    validated++;
    for (SingleValidationMessage message : validator.validateWithResult(text).getMessages()) {
      if (message.getSeverity().ordinal() < ResultSeverityEnum.ERROR.ordinal()) continue;
      errors++;
      System.out.println("{\"source\":" + quoted(source) + ",\"location\":" + quoted(message.getLocationString()) + ",\"message\":" + quoted(message.getMessage()) + "}");
    }
  }

  private static String quoted(String text) {
    StringBuilder out = new StringBuilder("\"");
    for (char c : (text == null ? "" : text).toCharArray()) {
      if (c == '"' || c == '\\') out.append('\\').append(c);
      else if (c < 0x20) out.append(String.format("\\u%04x", (int) c));
      else out.append(c);
    }
    return out.append('"').toString();
  }
}
